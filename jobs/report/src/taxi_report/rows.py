"""Rows of the log as columns: what a partition hands to the profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from taxi_schema.columns.limits import evaluated
from taxi_schema.target import Target

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
        columns: Inputs by name, categories as codes, and `prediction`, each of shape (n,); NaN is
            missing.
        labels: Label of each row whatever its value, shape (n,); NaN without one.
        lags: Seconds from answer to label, shape (n,); NaN without one.
        latencies: Seconds to answer, shape (n,); NaN where not known.
        texts: Texts that the reference never had, by column and code.
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
    texts: Mapping[str, Mapping[float, str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def taken(self, places: Sequence[int]) -> "Rows":
        """Return the rows at some places, in their order."""
        chosen = np.asarray(places, dtype=np.int64)
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return Rows(
            ids=[self.ids[place] for place in places],
            ts=self.ts[chosen],
            moments=self.moments[chosen],
            timed=self.timed[chosen],
            roles=[self.roles[place] for place in places],
            columns=columns,
            labels=self.labels[chosen],
            lags=self.lags[chosen],
            latencies=self.latencies[chosen],
            texts={name: kept(texts, columns[name]) for name, texts in self.texts.items()},
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
            texts={
                name: {**self.texts.get(name, {}), **other.texts.get(name, {})}
                for name in (*self.texts, *other.texts)
            },
        )

    def evaluated(self, target: Target) -> Floats:
        """Return the labels, NaN where errors do not count them or there is none; shape (n,)."""
        return np.where(evaluated(target, self.labels), self.labels, np.nan)


def kept(texts: Mapping[float, str], codes: Floats) -> dict[float, str]:
    """Return the texts of some codes alone."""
    return {code: texts[code] for code in set(codes.tolist()) & texts.keys()} if texts else {}
