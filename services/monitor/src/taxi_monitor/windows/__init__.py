"""Sliding windows of each model version, and their evaluation."""
