"""Runs of the Job: the first model, retraining, the gate."""
