"""Adapters: one file for each outside system, every call with a time-out."""
