"""From the log to columns: one partition at a time."""
