"""Schemas of other shapes beside the taxi example's: 60 columns, and categories of strings."""

import argparse
from contextlib import ExitStack

from support.predictor import PLAIN

from serving.arms import Bench, logging_arm
from serving.artifacts import Model, strings, taxi_artifact, wide
from serving.rounds import Figures, interleaved, median, ratio, warm_up
from serving.wrk import Load

TAXI = "taxi"


def measure(bench: Bench, options: argparse.Namespace) -> Figures:
    """Return rates and CPU times of each shape."""
    models = {TAXI: Model(taxi_artifact(), PLAIN), "wide": wide(), "strings": strings()}
    with ExitStack() as stack:
        arms = {
            name: stack.enter_context(logging_arm(bench, name, model.artifact, model.body))[0]
            for name, model in models.items()
        }
        warm_up(arms)
        found = interleaved(arms, options.shape_rounds, Load())
    figures: Figures = {}
    for name in models:
        figures |= {
            f"{name}_requests_per_second": median(found, name, "rate"),
            f"{name}_system_cpu_us_per_row": median(found, name, "system_cpu"),
            f"{name}_rate_over_taxi": ratio(found, name, TAXI, "rate"),
            f"{name}_p99_ms": median(found, name, "p99", 2),
        }
    del figures[f"{TAXI}_rate_over_taxi"]
    return figures
