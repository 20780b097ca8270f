"""Evidently's presets on a sample of rows: the part of a report that people can explore.

Only this package imports Evidently.
"""
