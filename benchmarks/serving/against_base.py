"""What it costs that the schema is declared and not written into the code."""

import argparse

from serving.arms import Arm, Bench, logging_arm
from serving.artifacts import taxi_artifact
from serving.base import base_arm
from serving.rounds import Figures, compared, interleaved, median, ratio, warm_up
from serving.wrk import Load

BATCH = 1000
NOW, BASE = "now", "base"
#: Batches of 1000 rows need so few rounds: each has fifty thousand rows.
_BATCH_ROUNDS = 5


def measure(bench: Bench, options: argparse.Namespace) -> Figures:
    """Return ratios over the commit, memory included."""
    with (
        base_arm(bench) as base,
        logging_arm(bench, NOW, taxi_artifact()) as (now, _),
    ):
        return _compare({NOW: now, BASE: base}, options.rounds)


def _compare(arms: dict[str, Arm], rounds: int) -> Figures:
    warm_up(arms)
    rows = interleaved(arms, rounds, Load())
    batches = interleaved(arms, max(rounds // _BATCH_ROUNDS, 2), Load(), BATCH)
    memory = {name: arm.largest_process_mib() for name, arm in arms.items()}
    return {
        **compared(rows, NOW, BASE, "rate", "rate_over_base"),
        **compared(batches, NOW, BASE, "rate", "batch_over_base"),
        **compared(rows, NOW, BASE, "system_cpu", "cpu_over_base"),
        "service_cpu_over_base": ratio(rows, NOW, BASE, "cpu"),
        "batch_cpu_over_base": ratio(batches, NOW, BASE, "system_cpu"),
        "p99_over_base": ratio(rows, NOW, BASE, "p99"),
        "memory_over_base": round(memory[NOW] / memory[BASE], 3),
        "requests_per_second": median(rows, NOW, "rate"),
        "base_requests_per_second": median(rows, BASE, "rate"),
        "batch_rows_per_second": median(batches, NOW, "rate"),
        "base_batch_rows_per_second": median(batches, BASE, "rate"),
        "system_cpu_us_per_ride": median(rows, NOW, "system_cpu"),
        "base_system_cpu_us_per_ride": median(rows, BASE, "system_cpu"),
        "largest_process_mib": round(memory[NOW], 1),
        "base_largest_process_mib": round(memory[BASE], 1),
    }
