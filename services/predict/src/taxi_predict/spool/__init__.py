"""Answers on the pod's disk until MongoDB has them."""
