"""MongoDB of taxi-monitoring: the log, the labels, the model registry, the runs.

Every part talks to MongoDB through this package, so names, indexes and the rules of
compare-and-set stand once.
"""
