"""Estimators and candidates."""
