"""Batch report: what happened over any span of the prediction log, however long the log is.

The log is read by partitions; each becomes a profile that merges with the others, and every
number of a report comes from the merged profile. Columns and their kinds come from the reference
of the model version, so nothing here names a column.
"""
