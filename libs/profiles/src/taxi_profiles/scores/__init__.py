"""Scores by name: the numbers that Evidently 0.7.23 gives, from profiles.

`registry` has the names, what kind of column each is for, and whether it is a distance or a
p-value. Reference and window are both profiles: distinct values with their counts.
"""
