"""The same graph served by others, which log nothing, beside us with log and monitor."""

import argparse

from serving.arms import Bench, logging_arm
from serving.artifacts import taxi_artifact
from serving.peers import peer_arms
from serving.rounds import Figures, compared, interleaved, median, ratio, warm_up
from serving.wrk import Load

OURS = "ours"


def measure(bench: Bench, options: argparse.Namespace) -> Figures:
    """Return ratios of rate and 99th percentile over each peer's."""
    artifact = taxi_artifact()
    with logging_arm(bench, OURS, artifact) as (ours, _), peer_arms(bench, artifact) as peers:
        arms = {OURS: ours, **peers}
        warm_up(arms)
        found = interleaved(arms, options.peer_rounds, Load())
    figures = {"peers_ours_requests_per_second": median(found, OURS, "rate")}
    for name in peers:
        figures |= {
            **compared(found, OURS, name, "rate", f"rate_over_{name}"),
            f"p99_over_{name}": ratio(found, OURS, name, "p99"),
            f"{name}_requests_per_second": median(found, name, "rate"),
            f"{name}_p99_ms": median(found, name, "p99", 2),
        }
    return figures
