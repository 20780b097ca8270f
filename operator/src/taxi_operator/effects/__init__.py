"""Carrying out what a plan wants; nothing is decided here."""
