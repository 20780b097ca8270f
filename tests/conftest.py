"""Shared settings of all tests."""

import os

from hypothesis import HealthCheck, settings

# OpenMP's threads spin while they wait for one another: where the cores are shared, training with
# several takes a hundred times as long. It reads the variable when scikit-learn is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


# Machines are shared: how long an example takes says nothing about the code. What is drawn depends
# on the test alone: a change is judged by itself. TAXI_EXAMPLES=new draws others, to find more.
settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("TAXI_EXAMPLES") != "new", print_blob=True,
)  # fmt: skip
settings.load_profile("shared-machine")

pytest_plugins = ["support.mongod"]
