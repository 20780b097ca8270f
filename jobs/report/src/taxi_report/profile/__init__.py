"""Mergeable profiles of rows: pure functions of numpy arrays.

Every profile of one part of the rows merges with that of another part; the order of merging
changes no count and no sum by more than rounding.
"""
