"""Detectors that are held beside each other, behind one interface."""
