"""What serving costs: over the system before schemas, without log, without traces, over others.

Each part runs its servers pinned to one core; wrk, mongod and the monitor have another, where wrk
has real-time priority. The arms of a part take turns in short rounds, and a ratio is the median of
the rounds' own ratios. Before each measurement the log has all rows: a busy core puts the delivery
off until after a short round, so CPU time counts until the log has the rows. Compare ratios within
a run; absolute figures are of the machine.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from rich.console import Console  # noqa: E402 - found by the path above
from serving import (  # noqa: E402 - found by the path above
    against_base,
    against_peers,
    logging_cost,
    result,
    shapes,
    tracing_cost,
)
from serving.arms import Bench, reserve_cores  # noqa: E402
from serving.rounds import Figures  # noqa: E402
from serving.wrk import require_wrk  # noqa: E402

PARTS: dict[str, Callable[[Bench, argparse.Namespace], Figures]] = {
    "base": against_base.measure,
    "logging": logging_cost.measure,
    "shapes": shapes.measure,
    "tracing": tracing_cost.measure,
    "peers": against_peers.measure,
}


def main() -> None:
    """Measure, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=70, help="of the comparison with the base")
    parser.add_argument("--peer-rounds", type=int, default=15, help="of that with others")
    parser.add_argument("--logging-rounds", type=int, default=12, help="of that without log")
    parser.add_argument("--shape-rounds", type=int, default=8, help="of that of schemas")
    parser.add_argument("--tracing-rounds", type=int, default=24, help="of that without traces")
    parser.add_argument("--sustained", type=int, default=30, help="seconds of the highest load")
    parser.add_argument("--workers", type=int, default=1, help="gunicorn workers, in all arms")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    require_wrk()
    core = reserve_cores()
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        for part in options.parts:
            bench = Bench(Path(scratch) / part, core, options.workers)
            measured = PARTS[part](bench, options)
            Console().print({part: measured})
            figures |= measured
    if options.parts == list(PARTS):
        result.write(figures, sys.argv[1:])


if __name__ == "__main__":
    main()
