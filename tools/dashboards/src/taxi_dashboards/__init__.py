"""The chart's Grafana dashboards, as code."""
