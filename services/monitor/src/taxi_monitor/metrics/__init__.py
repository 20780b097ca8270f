"""What the monitor exports to Prometheus."""
