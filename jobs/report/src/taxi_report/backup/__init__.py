"""Backups of all that MongoDB has: written beside running writers, checked, restored."""
