"""Operator: reads DriftPolicies, and retrains, promotes, refuses, or moves the traffic.

What it knows is in the policies' status, in labelled Jobs, in the registry and in the
active Service: a killed operator goes on where it was.
"""
