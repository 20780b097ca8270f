"""Scoring of files with the served artifact and the served code: `taxi-predict score`."""
