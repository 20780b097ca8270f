"""Batch reports and their runs."""
