"""Closed days of the prediction log as Parquet, in a folder or an object store."""
