"""Rounds: all arms one after the other, in changing order, and ratios within each round.

A shared machine's speed drifts by a tenth within seconds, so rounds are short and many, and a ratio
is the median of the rounds' own ratios.
"""

import statistics
from collections.abc import Mapping
from itertools import cycle, islice, permutations

from rich.console import Console
from rich.table import Table

from serving.arms import Arm, Round
from serving.wrk import Load

Rounds = dict[str, list[Round]]
Figures = dict[str, float]
_WARM_UP = Load(8, 2)


def interleaved(arms: Mapping[str, Arm], rounds: int, load: Load, rows: int = 1) -> Rounds:
    """Measure all arms in each round; with several rows each request is a batch of them."""
    found: Rounds = {name: [] for name in arms}
    for order in islice(cycle(permutations(arms)), rounds):
        for name in order:
            found[name].append(arms[name].measure(load, rows))
    show(found, load, rows)
    return found


def warm_up(arms: Mapping[str, Arm]) -> None:
    """Let all arms answer for a moment."""
    for arm in arms.values():
        arm.measure(_WARM_UP)


def ratio(found: Rounds, arm: str, other: str, measure: str) -> float:
    """Return the median over the rounds of an arm's figure by another's."""
    return round(statistics.median(_ratios(found, arm, other, measure)), 3)


def quartiles(found: Rounds, arm: str, other: str, measure: str) -> tuple[float, float]:
    """Return the quartiles over the rounds of an arm's figure by another's."""
    lower, _, upper = statistics.quantiles(_ratios(found, arm, other, measure), n=4)
    return round(lower, 3), round(upper, 3)


def compared(found: Rounds, arm: str, other: str, measure: str, name: str) -> Figures:
    """Return a ratio with its quartiles, as figures."""
    lower, upper = quartiles(found, arm, other, measure)
    return {
        name: ratio(found, arm, other, measure),
        f"{name}_lower_quartile": lower, f"{name}_upper_quartile": upper,
    }  # fmt: skip


def median(found: Rounds, arm: str, measure: str, digits: int = 1) -> float:
    """Return the median of an arm's figure over the rounds."""
    values: list[float] = [getattr(measured, measure) for measured in found[arm]]
    return round(statistics.median(values), digits)


def _ratios(found: Rounds, arm: str, other: str, measure: str) -> list[float]:
    pairs = zip(found[arm], found[other], strict=True)
    return [getattr(a, measure) / getattr(b, measure) for a, b in pairs]


def show(found: Rounds, load: Load, rows: int) -> None:
    """Print the medians of a comparison."""
    what = f"{load.connections} connections" + (f", batches of {rows}" if rows > 1 else "")
    table = Table("arm", f"rows/s, {what}", "p99 ms", "CPU us/row", "system CPU us/row")
    for name in found:
        figures = [
            median(found, name, measure, digits)
            for measure, digits in (("rate", 0), ("p99", 2), ("cpu", 1), ("system_cpu", 1))
        ]
        table.add_row(name, *map(str, figures))
    Console().print(table)
