"""How often the gate is right: its verdict against hindsight on the rides that follow.

For each champion and stream, a candidate is made from the first n rides and the gate asked;
hindsight are the 5,000 rides after them, which nobody saw. The gate is right
- to promote a candidate that answers those better, and in no slice much worse;
- to refuse one that gains less on those than the gate asks for (2 %), or that is much worse
  there in the slice that the gate named.
A later gain of 0 to 2 % is right both ways: such decisions are counted as `undecided` too, and
the others alone say how good the gate is. The stream `quiet` and the pair of the same months are
almost the same rides, so the decisions are fewer than their number. `kept` is the mean RMSE on
those rides of a system that obeys the gate, beside one that always promotes and one that never
does.
Usage: python benchmarks/gate.py [--data FOLDER]; with a folder of whole months all streams and
each pair of months that follow each other, without it the shipped samples.
"""

import argparse
import itertools
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from streams import ROOT, TAXI, Stream, month, streams

from taxi_domain.runs import RunResult
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.builder import reference_rows
from taxi_train.data.split import split
from taxi_train.data.views import Views
from taxi_train.fitting.candidates import Trainer
from taxi_train.runs.gate import GateRules, GateVerdict
from taxi_train.runs.retraining import compare

RESULT = ROOT / "benchmarks" / "results" / "gate.json"
AFTER = 5000
SIZES = (3000, 5000, 10_000, 20_000)
RULES = GateRules()


@dataclass(frozen=True)
class Judged:
    """One decision: what the gate said, and the RMSE of both on the rides that followed."""

    stream: str
    rides: int
    verdict: GateVerdict
    hindsight: GateVerdict

    @property
    def promoted(self) -> bool:
        """Whether the gate lets the candidate serve."""
        return self.verdict.result is RunResult.BETTER

    @property
    def champion(self) -> float:
        """RMSE of the champion on the rides that followed, minutes."""
        return self.hindsight.numbers["champion_rmse"]

    @property
    def candidate(self) -> float:
        """RMSE of the candidate on them, minutes."""
        return self.hindsight.numbers["candidate_rmse"]

    @property
    def later(self) -> float:
        """Gain on them."""
        return self.hindsight.numbers["gain"]

    @property
    def undecided(self) -> bool:
        """Whether hindsight supports both decisions."""
        return 0 < self.later < RULES.min_relative_gain and not worse_slices(self.hindsight)

    @property
    def right(self) -> bool:
        """Whether hindsight supports it."""
        worse = worse_slices(self.hindsight)
        if self.promoted:
            return self.later > 0 and not worse
        return self.later < RULES.min_relative_gain or bool(worse_slices(self.verdict) & worse)

    @property
    def kept(self) -> float:
        """RMSE of what serves after the decision, minutes."""
        return self.candidate if self.promoted else self.champion


def worse_slices(verdict: GateVerdict) -> set[str]:
    """Return the slices in which the candidate is worse than the gate allows."""
    return {
        name for name, found in verdict.slices.items()
        if found["gain"] < -RULES.max_slice_loss and found["ci_high"] < 0
    }  # fmt: skip


def pairs(folder: Path) -> Iterator[Stream]:
    """Return each month with the next one that is there as a stream."""
    files = sorted(folder.glob("green_tripdata_*.parquet"))
    for first, second in itertools.pairwise(files):
        name = f"{first.stem[-7:]} then {second.stem[-7:]}"
        yield Stream(name, TAXI, month(first), month(second))


def evaluated(stream: Stream, champion: Artifact, size: int) -> Judged:
    """Retrain on the first rides of a stream and ask the gate, then hindsight."""
    parts = split(stream.rows[:size], RULES.min_labelled_rows)
    old = reference_rows(stream.schema, champion)
    candidate, _ = Trainer(stream.schema).make_candidate(old, parts)
    now, later = (
        compare(champion, candidate, Views({stream.schema.digest: rows}), RULES)
        for rows in (parts.gate, stream.rows[size : size + AFTER])
    )
    return Judged(stream.name, size, now, later)


def main() -> None:
    """Evaluate all, print the table, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    found = []
    for stream in (*streams(options.data, 10**9), *(pairs(options.data) if options.data else ())):
        champion = Trainer(stream.schema).train(stream.reference)
        sizes = (size for size in SIZES if size + AFTER <= len(stream.rows))
        found += [evaluated(stream, champion, size) for size in sizes]
    report(found, options.data)


def report(found: list[Judged], data: Path | None) -> None:
    """Print and write."""
    table = Table("champion and stream", "rides", "gate", "gain", "later: champion", "candidate",
                  "gain", "right")  # fmt: skip
    for one in found:
        right = "both ways" if one.undecided else "yes" if one.right else "NO"
        table.add_row(
            one.stream, str(one.rides), str(one.verdict.result),
            f"{one.verdict.numbers['gain']:.1%}", f"{one.champion:.2f}", f"{one.candidate:.2f}",
            f"{one.later:.1%} {' '.join(sorted(worse_slices(one.hindsight)))}", right,
        )  # fmt: skip
    figures = {
        "decisions": len(found),
        "right_decisions": sum(one.right for one in found),
        "undecided": sum(one.undecided for one in found),
        "kept_rmse_gate": round(float(np.mean([one.kept for one in found])), 4),
        "kept_rmse_always_promote": round(float(np.mean([one.candidate for one in found])), 4),
        "kept_rmse_never_promote": round(float(np.mean([one.champion for one in found])), 4),
    }
    console = Console(width=120)
    console.print(table)
    console.print(figures)
    whole = " DATA=<folder of whole months>" if data else ""
    libraries = ("numpy", "scikit-learn", "onnxruntime")
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
