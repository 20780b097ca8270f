"""Prediction records as columns: whole bodies and pages of the log are decoded at once."""
