"""Labelled rows, from files and from the log."""
