"""What a small recalibration would have saved: the question that a retraining answers.

A ridge regression of label minus prediction is fitted on the labelled rows before a block; the
score is the share of the block's root mean squared error that its correction saves. Weather that
comes and goes gives little, a model that is wrong gives much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.reference import MOMENT, PREDICTION, TARGET

Floats = NDArray[np.float64]

#: Labelled rows before a block that the correction is fitted on, at most and at least.
HISTORY: Final = 3000
MIN_HISTORY: Final = 1500
#: Numbers that take part, the first ones of the reference.
MAX_NUMBERS: Final = 8
#: Rows that a coefficient must outweigh.
_RIDGE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Correction:
    """What the correction is made of.

    Attributes:
        scales: Of the numeric columns that take part, where their logarithm begins, by name.
        middle: Of the predictions of the reference, in the target's unit.
        spread: Of the predictions of the reference, above 0.
        limit: Error from which on a row counts no more, in the target's unit.
    """

    scales: Mapping[str, float]
    middle: float
    spread: float
    limit: float

    def saving(self, before: Mapping[str, Floats], block: Mapping[str, Floats]) -> float | None:
        """Return the share of the error that a correction saves, below 1; negative where it harms.

        Args:
            before: The labelled rows before the block, in order, `PREDICTION`, `TARGET`, `MOMENT`
                (where there are event times) and the numbers; the last 3,000 count.
            block: The block, likewise.

        Returns:
            None when there are too few rows before.
        """
        if len(before[TARGET]) < MIN_HISTORY:
            return None
        past = {name: column[-HISTORY:] for name, column in before.items()}
        design, errors = self._design(past), self._errors(past)
        normal = design.T @ design + _RIDGE * np.diag([0.0] + [1.0] * (design.shape[1] - 1))
        coefficients = np.linalg.solve(normal, design.T @ errors)
        now = self._errors(block)
        raw = float(np.sqrt(np.mean(now**2)))
        if not raw:
            return 0.0
        corrected = now - self._design(block) @ coefficients
        return 1 - float(np.sqrt(np.mean(corrected**2))) / raw

    def _errors(self, rows: Mapping[str, Floats]) -> Floats:
        found: Floats = np.clip(rows[TARGET] - rows[PREDICTION], -self.limit, self.limit)
        return found

    def _design(self, rows: Mapping[str, Floats]) -> Floats:
        answers = np.clip((rows[PREDICTION] - self.middle) / self.spread, -5, 5)
        parts = [np.ones(len(answers)), answers]
        for name, scale in self.scales.items():
            column = rows.get(name)
            if column is None:
                number = np.zeros(len(answers))
            else:
                number = np.nan_to_num(np.arcsinh(column / scale), posinf=0.0, neginf=0.0)
            parts += [number, number * answers]
        moments = rows.get(MOMENT)
        if moments is not None:
            known = np.isfinite(moments)
            days = np.where(known, moments, 0.0) / 86_400
            weekend = ((np.floor(days) + 3) % 7 >= 5) & known
            angle = 2 * np.pi * (days % 1)
            waves = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
            parts += [weekend.astype(np.float64), *(np.where(known, one, 0.0) for one in waves)]
        return np.column_stack(parts)


def harmful_gain(saving: float, harm: float) -> float:
    """Return what counts of a saving: nothing where the error is no larger than the reference's.

    Such a model is as good as it was when it was accepted, though it could be better.
    """
    return saving if harm > 0 else min(saving, 0.0)


def correction_of(
    columns: Mapping[str, Floats], scales: Mapping[str, float], limit: float
) -> Correction:
    """Return the correction of a reference.

    Args:
        columns: Of the reference, `PREDICTION` among them.
        scales: Of the numeric columns.
        limit: Error from which on a row counts no more.
    """
    answers = columns[PREDICTION]
    spread = float(answers.std())
    chosen = dict(list(scales.items())[:MAX_NUMBERS])
    return Correction(chosen, float(answers.mean()), spread if spread > 0 else 1.0, limit)
