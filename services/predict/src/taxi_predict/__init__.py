"""Predictor: answers rows with predictions and logs every answer.

Nothing that a client waits for depends on MongoDB or the monitor: an answer is appended to a local
spool, and a delivery process brings it further.
"""
