"""Monitor: a window for each model version, its scores, its errors, its verdict.

Nothing in memory is precious: the log in MongoDB is the truth, and a started monitor
rebuilds the same windows, and so the same numbers, from it.
"""
