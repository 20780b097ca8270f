"""The report as one HTML page that works offline, without script and on paper."""
