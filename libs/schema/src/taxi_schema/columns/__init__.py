"""Many rows at once, as numpy arrays: features, limits and slices.

Arrays in have shape (n,) and any type that a file gives; missing is None, NaN, NaT, an empty
string or `MISSING_INTEGER`. Arrays out are float64, int64 or objects (strings).
"""
