"""What a monitor's benchmark measures: evaluations beside peers, and the ingest of rows."""
