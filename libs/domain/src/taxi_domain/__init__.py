"""The words that every part of taxi-monitoring shares.

Pure: no framework, no input or output, no clock. A name that two parts must agree on
is written here once, and a contract test holds both parts to it.
"""
