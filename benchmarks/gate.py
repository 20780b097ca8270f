"""How good the gate's decisions are, and those of other rules, by hindsight.

Champions are made of months, weeks and (with DATA) each month of flights; after the first n rows
that follow, a candidate is made as the train Job makes it, and others of rows that were spoiled:
labels of other rows, labels that are too large, one zone, another unit, a storm, few rows. Each
rule sees the newest of the n rows, as the Job does; those that may wait also the 4,000 after them.
Hindsight are the up to 20,000 rows after these, which no rule sees. The same for rules by which a
promoted candidate is taken back, on the 4,000 rows.

- `gain`: mean over all candidates of what is gained in RMSE when the rule is obeyed, in percent of
  the champion's; a refused candidate gains 0. `false`: promoted, and worse in hindsight; `lost`:
  what these cost. `missed`: refused, and at least 2 % better in hindsight.
- `beside_before`: 95 % interval of the gain's difference from that of the rule "2 %, 95 %".
Candidates of one world and rows of one month are much alike: the decisions are fewer than their
number. Fitted models' answers are kept in the cache folder.
Usage: python benchmarks/gate.py [--data FOLDER]; with a folder of whole months and
flights-2013.parquet all worlds, without it those of the shipped samples.
"""

import argparse
import json
import os
import platform
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

# OpenMP's threads spin while they wait for one another: it reads this when it is imported.
os.environ["OMP_NUM_THREADS"] = "1"

from gating.cases import cases_of, folder, sizes_of
from gating.figures import Judged, between, of_gate, of_look
from gating.rules import GATES, LOOKS, judged, observed
from gating.worlds import World, worlds
from rich.console import Console
from rich.table import Table
from streams import ROOT

RESULT = ROOT / "benchmarks" / "results" / "gate.json"
BEFORE = "2 %, 95 %"
PROCESSES = 2


def evaluated(cache: Path, job: tuple[World, int]) -> list[Judged]:
    """Let all rules decide about the candidates of a world and size."""
    world, size = job
    return [
        Judged(
            world.family, world.name, size, case.kind, case.later.gain, judged(case),
            observed(case),
        )
        for case in cases_of(world, size, cache)
    ]  # fmt: skip


def main() -> None:
    """Evaluate all, print the tables, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    jobs = [(world, size) for world in worlds(options.data) for size in sizes_of(world)]
    found: list[Judged] = []
    with ProcessPoolExecutor(PROCESSES) as pool:
        for (world, size), part in zip(jobs, pool.map(partial(evaluated, folder()), jobs),
                                       strict=True):  # fmt: skip
            print(f"{world.family}: {world.name}, {size} rows: {part[0].later:.1%}", flush=True)
            found += part
    report(found, options.data)


def figures_of(found: Sequence[Judged]) -> dict[str, Any]:
    """Return all figures."""
    groups = {
        "ordinary": [one for one in found if one.is_ordinary],
        "spoiled": [one for one in found if not one.is_ordinary],
    }
    gates: dict[str, Any] = {}
    for name in GATES:
        gates[name] = {word: of_gate(group, name) for word, group in groups.items()}
        for word, group in groups.items():
            gates[name][word]["beside_before"] = between(group, name, BEFORE)
            gates[name][word]["gain_by_family"] = {
                family: of_gate([one for one in group if one.family == family], name)["gain"]
                for family in sorted({one.family for one in group})
            }
    candidates = {
        word: {"all": len(group), "worse_in_hindsight": sum(one.later < 0 for one in group)}
        for word, group in groups.items()
    }
    return {
        "candidates": candidates, "gates": gates,
        "observations": {name: of_look(found, name) for name in LOOKS},
    }  # fmt: skip


def report(found: Sequence[Judged], data: Path | None) -> None:
    """Print and write."""
    figures = figures_of(found)
    console = Console(width=140)
    console.print(figures["candidates"])
    for word in ("ordinary", "spoiled"):
        columns = ("promoted", "gain", "false", "lost", "missed", "rows", "beside_before")
        table = Table(f"{word} candidates", *columns)
        for name, of_rule in figures["gates"].items():
            table.add_row(name, *(str(of_rule[word][column]) for column in columns))
        console.print(table)
    table = Table("observation", *next(iter(figures["observations"].values())))
    for name, of_rule in figures["observations"].items():
        table.add_row(name, *map(str, of_rule.values()))
    console.print(table)
    whole = " DATA=<folder of whole months>" if data else ""
    libraries = ("numpy", "scikit-learn")
    versions = {name: version(name) for name in libraries}
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": f"make bench-gate{whole}",
             "versions": {"python": platform.python_version(), **versions}},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
