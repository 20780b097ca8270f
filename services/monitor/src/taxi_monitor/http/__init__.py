"""HTTP of the monitor."""
