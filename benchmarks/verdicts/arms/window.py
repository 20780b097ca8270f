"""The verdict of windows: scores over thresholds, two in a row, as the monitor evaluates."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from streams import part, window_columns

from taxi_profiles.reference import MOMENT, Reference
from taxi_profiles.verdict import Alarm, Verdict, evaluate, evaluate_labelled
from taxi_schema.columns.limits import evaluated
from taxi_schema.columns.rows import LabelledRows
from verdicts.arms.interface import State
from verdicts.champions import Champion
from verdicts.traffic import Step

Columns = dict[str, NDArray[np.float64]]
Evaluator = Callable[[Reference, Columns], Verdict]

#: Rows of a window, and fewest that are evaluated: the monitor's defaults.
WINDOW = 2000
MIN_ROWS = 500


class WindowArm:
    """Windows of inputs, and of labelled rows for target and error."""

    name = "window"

    def __init__(self) -> None:
        self._champion: Champion | None = None

    def fit(self, champion: Champion) -> None:
        """Take the champion's reference, which training calibrated."""
        self._champion = champion

    def begin(self) -> "WindowWatch":
        """Begin with empty windows."""
        assert self._champion is not None
        return WindowWatch(self._champion)

    def close(self) -> None:
        """Nothing was started."""


@dataclass
class _Newest:
    """The newest rows as columns, and how many there ever were."""

    columns: Columns = field(default_factory=dict)
    seen: int = 0

    def add(self, columns: Columns) -> None:
        self.seen += len(columns[MOMENT])
        before = self.columns or part(columns, slice(0, 0))
        self.columns = {
            name: np.concatenate([before[name], column])[-WINDOW:]
            for name, column in columns.items()
        }

    @property
    def rows(self) -> int:
        return len(self.columns.get(MOMENT, ()))


class WindowWatch:
    """One stream's windows and alarms."""

    def __init__(self, champion: Champion) -> None:
        self._champion = champion
        self._inputs, self._labelled = _Newest(), _Newest()
        self._alarms = {"inputs": Alarm(), "error": Alarm()}

    def feed(self, step: Step) -> State:
        """Evaluate both windows once, as the monitor does every few seconds."""
        self._inputs.add(self._columns(step.rows, step.moments))
        known = evaluated(self._champion.schema.target, step.labelled.target)
        self._labelled.add(self._columns(step.labelled[known], step.labelled_moments[known]))
        inputs = self._evaluate(self._inputs, evaluate)
        labelled = self._evaluate(self._labelled, evaluate_labelled)
        blamed: dict[str, float] = {}
        if inputs is not None:
            self._raise("inputs", inputs.score_ratio, self._inputs.seen)
            blamed |= {
                one.feature: one.score_ratio or 0.0
                for one in inputs.features
                if one.decides and one.exceeded
            }
        if labelled is not None and labelled.error is not None:
            ratio = labelled.error.score_ratio
            self._raise("error", ratio, self._labelled.seen)
            if ratio is not None and ratio >= 1:
                blamed["error"] = ratio
        raised = any(alarm.raised for alarm in self._alarms.values())
        worst = sorted(blamed, key=lambda name: -blamed[name])
        return State(raised, tuple(worst), level=max(blamed.values(), default=None))

    def _raise(self, kind: str, ratio: float | None, seen: int) -> None:
        if ratio is not None:
            self._alarms[kind] = self._alarms[kind].after(ratio, seen, WINDOW)

    def _evaluate(self, newest: _Newest, evaluator: Evaluator) -> Verdict | None:
        if newest.rows < MIN_ROWS:
            return None
        return evaluator(self._champion.reference, newest.columns)

    def _columns(self, rows: LabelledRows, moments: NDArray[np.float64]) -> Columns:
        columns = window_columns(self._champion.schema, self._champion.reference, rows)
        return columns | {MOMENT: moments}
