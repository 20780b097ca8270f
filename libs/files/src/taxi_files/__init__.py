"""Rows of a schema in files: parquet and CSV, read in pieces and written whole or not at all."""
