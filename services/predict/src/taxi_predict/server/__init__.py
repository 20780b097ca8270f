"""The pod's processes: gunicorn, its workers, and the delivery process beside them."""
