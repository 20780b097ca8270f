"""Profiles of a reference, drift scores against it, and thresholds calibrated on it.

Pure numpy, used alike by training (which makes the profile) and monitor (which scores
windows with it). A reference is summarised once; a score never walks its rows again.
"""
