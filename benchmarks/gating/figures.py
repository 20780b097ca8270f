"""What rules decided, beside hindsight."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gating.cases import ORDINARY
from gating.rules import Outcome

#: A gain that should not be missed, and a harm that should be found.
WORTH, MILD, BIG = 0.02, -0.02, -0.1
_RESAMPLES = 2000


@dataclass(frozen=True)
class Judged:
    """A candidate, what the rules made of it, and its gain on the rows long after."""

    family: str
    world: str
    size: int
    kind: str
    later: float
    gates: Mapping[str, Outcome]
    looks: Mapping[str, Outcome]

    @property
    def is_ordinary(self) -> bool:
        """Whether nothing was spoiled."""
        return self.kind == ORDINARY


def of_gate(found: Sequence[Judged], name: str) -> dict[str, Any]:
    """Return what a gate did with candidates.

    Gains are means over all of them, in percent of the champion's RMSE; of those that it refused
    the gain is 0.
    """
    later = np.array([one.later for one in found])
    acts = np.array([one.gates[name].acts for one in found])
    return {
        "promoted": int(acts.sum()),
        "gain": _percent(np.where(acts, later, 0)),
        "false": int((acts & (later < 0)).sum()),
        "lost": _percent(np.where(acts, np.minimum(later, 0), 0)),
        "missed": int((~acts & (later >= WORTH)).sum()),
        "rows": round(float(np.mean([one.gates[name].rows for one in found]))),
    }


def of_look(found: Iterable[Judged], name: str) -> dict[str, Any]:
    """Return what an observation did with candidates, had all been promoted; shares in percent."""
    everything = list(found)
    groups = {
        "big_harm_found": [one for one in everything if one.later < BIG],
        "mild_harm_found": [one for one in everything if BIG <= one.later < MILD],
        "good_taken_back": [one for one in everything if one.later >= 0],
    }
    shares = {
        word: _percent(np.array([one.looks[name].acts for one in group]), 1)
        for word, group in groups.items()
    }
    rows = [one.looks[name].rows for one in groups["big_harm_found"]]
    kept = np.array([0 if one.looks[name].acts else one.later for one in everything
                     if one.is_ordinary])  # fmt: skip
    return {**shares, "rows_of_big_harm": round(float(np.mean(rows))),
            "gain_of_ordinary": _percent(kept)}  # fmt: skip


def between(found: Sequence[Judged], name: str, other: str) -> list[float]:
    """Return the 95 % interval of how much more a rule gains than another, in percent.

    Whole worlds are resampled: candidates of one world are much alike.
    """
    worlds: dict[str, list[float]] = {}
    for one in found:
        more = (one.gates[name].acts - one.gates[other].acts) * one.later
        worlds.setdefault(f"{one.family} {one.world}", []).append(more)
    sums, counts = (np.array([f(each) for each in worlds.values()]) for f in (np.sum, len))
    picked = np.random.default_rng(1).integers(0, len(sums), (_RESAMPLES, len(sums)))
    means = sums[picked].sum(axis=1) / counts[picked].sum(axis=1)
    return [_percent(np.array(quantile)) for quantile in np.quantile(means, [0.025, 0.975])]


def _percent(values: np.ndarray, digits: int = 3) -> float:
    return round(100 * float(np.mean(values)), digits) if values.size else 0.0
