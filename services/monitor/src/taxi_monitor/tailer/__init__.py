"""Follows the log and the aliases."""
