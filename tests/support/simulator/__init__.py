"""A world without a cluster: the operator's real code, everything outside of it simulated.

Time is set forward instead of waited for, and whatever is chance comes from one seed: the same
story always ends the same.
"""
