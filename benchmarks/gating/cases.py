"""Pairs of models and their answers for real rows: fitted once, kept in a folder.

What a gate may look at comes first, rows that a gate may wait for follow, and then those that
only hindsight has.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from streams import ROOT

from gating.harm import HARM, Training
from gating.worlds import World
from taxi_cluster.cache import cache_folder, key_of, key_of_files
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.columns.slices import slices_of
from taxi_schema.schema import Schema
from taxi_train.artifact.onnx_model import clipped
from taxi_train.data.rows import features_of, mostly_newest
from taxi_train.data.split import Split, split
from taxi_train.fitting import estimators
from taxi_train.fitting.candidates import Trainer

#: Rows after the gate's that a gate may wait for, and rows that hindsight has after these.
WAIT, LATER, MIN_LATER = 4000, 20_000, 1000
#: Most rows of a champion; a bound of the benchmark's time.
CHAMPION_ROWS = 40_000
GATE_ROWS = 1000
ORDINARY = "as the Job makes it"


@dataclass(frozen=True)
class Case:
    """Both models' answers for the same rows, in the order of time; each array has length n.

    Attributes:
        family: Of worlds.
        world: Name of champion and stream.
        size: New rows that the candidate was made of, the gate's with them.
        kind: How it was trained.
        counts: Rows of the gate, those to wait for, and hindsight's.
        scale: 99 % quantile of the champion's error on the rows before, in the target's unit.
        target: Labels, in the target's unit.
        champion: Answers, in the target's unit.
        candidate: As those.
        hours: Event times, in hours.
        slices: Masks by name.
    """

    family: str
    world: str
    size: int
    kind: str
    counts: tuple[int, int, int]
    scale: float
    target: np.ndarray
    champion: np.ndarray
    candidate: np.ndarray
    hours: np.ndarray
    slices: dict[str, np.ndarray]

    def rows(self, first: int, last: int) -> "Rows":
        """Return some of them."""
        everything = Rows(self.target, self.champion, self.candidate, self.scale, self.slices)
        return everything.of(slice(first, last))

    @property
    def gate(self) -> "Rows":
        """The gate's."""
        return self.rows(0, self.counts[0])

    @property
    def with_wait(self) -> "Rows":
        """The gate's and those to wait for."""
        return self.rows(0, self.counts[0] + self.counts[1])

    @property
    def later(self) -> "Rows":
        """Hindsight's."""
        return self.rows(self.counts[0] + self.counts[1], len(self.target))


@dataclass(frozen=True)
class Rows:
    """A part of a case."""

    target: np.ndarray
    champion: np.ndarray
    candidate: np.ndarray
    scale: float
    slices: dict[str, np.ndarray]

    @property
    def gain(self) -> float:
        """The candidate's relative gain in RMSE."""
        old, new = (np.mean((x - self.target) ** 2) for x in (self.champion, self.candidate))
        return float(1 - np.sqrt(new / old))

    def of(self, chosen: "slice | np.ndarray") -> "Rows":
        """Return some of them."""
        masks = {name: mask[chosen] for name, mask in self.slices.items()}
        return Rows(
            self.target[chosen], self.champion[chosen], self.candidate[chosen], self.scale, masks
        )

    def first(self, most: int) -> "Rows":
        """Return the first ones."""
        return self.of(slice(most))


def folder() -> Path:
    """Return where answers are kept: by the code and the libraries that make them."""
    here, train = ROOT / "benchmarks", ROOT / "jobs" / "train" / "src" / "taxi_train"
    made_by = [
        *(here / "gating" / f"{name}.py" for name in ("cases", "harm", "worlds")),
        *(train / "fitting" / f"{name}.py" for name in ("candidates", "estimators")),
        train / "data" / "split.py", here / "streams.py",
    ]  # fmt: skip
    key = key_of(key_of_files(made_by, ROOT), version("scikit-learn"), version("numpy"))
    found = cache_folder() / f"gate-cases-{key}"
    found.mkdir(exist_ok=True)
    return found


def sizes_of(world: World) -> Iterator[int]:
    """Yield the numbers of new rows after which enough rows are left for hindsight."""
    return (size for size in world.sizes if len(world.rows) >= size + 2 * MIN_LATER)


def cases_of(world: World, size: int, cache: Path) -> Iterator[Case]:
    """Make the candidates of a world and size, or take their answers from the cache."""
    key = json.dumps([world.family, world.name, size, len(world.reference), len(world.rows)])
    path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        partial = path.with_suffix(".tmp.npz")
        np.savez_compressed(partial, allow_pickle=False, **_answers(world, size))
        partial.rename(path)
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    masks = {name[6:]: mask for name, mask in arrays.items() if name.startswith("slice/")}
    for name, candidate in arrays.items():
        if name.startswith("candidate/"):
            counts = tuple(int(count) for count in arrays["counts"])
            yield Case(
                world.family, world.name, size, name[10:], (counts[0], counts[1], counts[2]),
                float(arrays["scale"]), arrays["target"], arrays["champion"], candidate,
                arrays["hours"], masks,
            )  # fmt: skip


def _answers(world: World, size: int) -> dict[str, np.ndarray]:
    """Fit all models of a world and size, and let them answer."""
    schema = world.schema
    trainer = Trainer(schema)
    old = mostly_newest(world.reference, CHAMPION_ROWS)
    champion = _fitted(schema, old)
    parts = split(world.rows[:size], GATE_ROWS)
    trained = world.rows[: size - len(parts.gate)]
    before = _answer(schema, champion, trained)
    wait = min(WAIT, (len(world.rows) - size) // 2)
    end = min(size + wait + LATER, len(world.rows))
    rows = world.rows[size - len(parts.gate) : end]
    candidates = {ORDINARY: _ordinary(trainer, old, parts)}
    for kind, (spoiled, is_mixed) in HARM.items():
        new = spoiled(Training(schema, trained, before))
        candidates[kind] = _fitted(schema, joined([old, new]) if is_mixed else new)
    masks = slices_of(schema, rows.columns, rows.event_times)
    return {
        "counts": np.array([len(parts.gate), wait, end - size - wait]),
        "scale": np.quantile(np.abs(before - trained.target), 0.99),
        "target": rows.target, "champion": _answer(schema, champion, rows),
        "hours": rows.moments / 3600,
        **{f"slice/{name}": mask for name, mask in masks.items()},
        **{f"candidate/{kind}": _answer(schema, one, rows) for kind, one in candidates.items()},
    }  # fmt: skip


def _ordinary(trainer: Trainer, old: LabelledRows, parts: Split) -> Any:
    choice = trainer.choose(old, parts)
    features = features_of(trainer.schema, choice.rows)
    estimators.fit(choice.estimator, features, choice.rows.target, choice.weights)
    return choice.estimator


def _fitted(schema: Schema, rows: LabelledRows) -> Any:
    model = estimators.regression_model(schema)
    estimators.fit(model, features_of(schema, rows), rows.target, None)
    return model


def _answer(schema: Schema, model: Any, rows: LabelledRows) -> np.ndarray:
    return clipped(schema, model.predict(features_of(schema, rows)))
