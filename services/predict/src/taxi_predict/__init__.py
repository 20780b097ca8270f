"""Predictor: answers rides with durations and logs every answer.

Nothing that a client waits for depends on MongoDB or the monitor: an answer is appended
to a local spool, and a delivery thread brings it further.
"""
