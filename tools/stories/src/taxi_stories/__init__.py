"""Traffic of real rides, and the stories that show the whole system at work.

Runs beside the cluster, on a user's machine; no image holds it.
"""
