"""River's detectors with their defaults, fed row by row.

Each has seen the newest rows of the reference before: without them it would take the first rows of
a changed stream as the ordinary ones. Numbers are in units of the reference's standard deviation
(Page-Hinkley's defaults have a unit), categories are their share of the reference.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers.detector_worker import Table
from river.drift import ADWIN, PageHinkley

Floats = NDArray[np.float64]
Drift = Any

#: Rows of the reference that a detector has seen.
_SEEN = 5000


class _Shares:
    """Turns categories into their shares of the reference; what it never had is 0."""

    def __init__(self, codes: Floats) -> None:
        self._values, counts = np.unique(codes[np.isfinite(codes)], return_counts=True)
        self._shares = counts / counts.sum()

    def __call__(self, codes: Floats) -> Floats:
        places = np.minimum(np.searchsorted(self._values, codes), len(self._values) - 1)
        shares = np.where(self._values[places] == codes, self._shares[places], 0.0)
        return np.where(np.isfinite(codes), shares, np.nan)


class _Scaled:
    """Turns numbers into units of the reference's standard deviation."""

    def __init__(self, values: Floats) -> None:
        known = values[np.isfinite(values)]
        self._mean, self._std = float(known.mean()), float(known.std()) or 1.0

    def __call__(self, values: Floats) -> Floats:
        return (values - self._mean) / self._std


class _Rowwise:
    """One detector for each series of numbers."""

    def __init__(self, make: Callable[[], Drift]) -> None:
        self._make = make
        self._series: Mapping[str, Callable[[Floats], Floats]] = {}
        self._first: dict[str, Floats] = {}
        self._detectors: dict[str, Drift] = {}

    def fit_series(
        self, series: Mapping[str, Callable[[Floats], Floats]], reference: Mapping[str, Floats]
    ) -> None:
        self._series = series
        self._first = {name: turn(reference[name][-_SEEN:]) for name, turn in series.items()}

    def begin(self) -> None:
        self._detectors = {name: self._make() for name in self._series}
        for name, detector in self._detectors.items():
            for value in self._first[name].tolist():
                if value == value:  # noqa: PLR0124 -- not missing
                    detector.update(value)

    def feed_series(self, values: Mapping[str, Floats]) -> tuple[bool, list[str]]:
        found = []
        for name, turn in self._series.items():
            detector, raised = self._detectors[name], 0
            for value in turn(values[name]).tolist():
                if value == value:  # noqa: PLR0124 -- not missing
                    detector.update(value)
                    raised += detector.drift_detected
            if raised:
                found.append((-raised, name))
        return bool(found), [name for _, name in sorted(found)]


class _OnError(_Rowwise):
    def fit(self, reference: Table) -> None:
        errors = reference.prediction - reference.target
        self.fit_series({"error": _Scaled(errors)}, {"error": errors})

    def feed(self, _rows: Table, labelled: Table) -> tuple[bool, list[str]]:
        return self.feed_series({"error": labelled.prediction - labelled.target})


class _OnColumns(_Rowwise):
    def fit(self, reference: Table) -> None:
        series: dict[str, Callable[[Floats], Floats]] = {
            name: _Scaled(reference.columns[name]) for name in (*reference.numbers, "prediction")
        }
        series |= {name: _Shares(reference.columns[name]) for name in reference.categories}
        self.fit_series(series, reference.columns)

    def feed(self, rows: Table, _labelled: Table) -> tuple[bool, list[str]]:
        return self.feed_series(rows.columns)


class AdwinError(_OnError):
    """ADWIN on the signed error."""

    def __init__(self) -> None:
        super().__init__(ADWIN)


class AdwinColumns(_OnColumns):
    """ADWIN on every input and the prediction."""

    def __init__(self) -> None:
        super().__init__(ADWIN)


class PageHinkleyError(_OnError):
    """Page-Hinkley on the signed error."""

    def __init__(self) -> None:
        super().__init__(PageHinkley)


class PageHinkleyColumns(_OnColumns):
    """Page-Hinkley on every input and the prediction."""

    def __init__(self) -> None:
        super().__init__(PageHinkley)
