"""Rows of the log as columns: what a partition hands to the profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Answered rows of one model version, in the order of answer time and id.

    Attributes:
        ids: Ids of the rows, length n.
        ts: Answer times, seconds since the epoch, shape (n,).
        moments: Local event times, seconds since 1970-01-01 00:00 local, shape (n,); those of
            the answer where the event has none.
        timed: Whether the event had a time, shape (n,).
        roles: Role of the version at each answer, length n.
        columns: Inputs by name and `prediction`, each of shape (n,); NaN is missing.
        labels: Label of each row whatever its value, shape (n,); NaN without one.
        lags: Seconds from answer to label, shape (n,); NaN without one.
        latencies: Seconds to answer, shape (n,); NaN where not known.
    """

    ids: list[str]
    ts: Floats
    moments: Floats
    timed: NDArray[np.bool_]
    roles: list[str]
    columns: Mapping[str, Floats]
    labels: Floats
    lags: Floats
    latencies: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def taken(self, places: Sequence[int]) -> "Rows":
        """Return the rows at some places, in their order."""
        chosen = np.asarray(places, dtype=np.int64)
        return Rows(
            ids=[self.ids[place] for place in places],
            ts=self.ts[chosen],
            moments=self.moments[chosen],
            timed=self.timed[chosen],
            roles=[self.roles[place] for place in places],
            columns={name: column[chosen] for name, column in self.columns.items()},
            labels=self.labels[chosen],
            lags=self.lags[chosen],
            latencies=self.latencies[chosen],
        )

    def joined(self, other: "Rows") -> "Rows":
        """Return these rows and then others with the same columns."""
        return Rows(
            ids=[*self.ids, *other.ids],
            ts=np.concatenate([self.ts, other.ts]),
            moments=np.concatenate([self.moments, other.moments]),
            timed=np.concatenate([self.timed, other.timed]),
            roles=[*self.roles, *other.roles],
            columns={
                name: np.concatenate([column, other.columns[name]])
                for name, column in self.columns.items()
            },
            labels=np.concatenate([self.labels, other.labels]),
            lags=np.concatenate([self.lags, other.lags]),
            latencies=np.concatenate([self.latencies, other.latencies]),
        )

    def within(self, low: float, high: float) -> Floats:
        """Return the labels, NaN where they are outside of limits or absent; shape (n,)."""
        inside = (self.labels >= low) & (self.labels <= high)
        return np.where(inside, self.labels, np.nan)
