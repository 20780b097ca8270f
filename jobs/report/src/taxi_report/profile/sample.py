"""A sample of rows that is the same however the rows were parted: the smallest hashes of ids."""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_report.rows import Rows

Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

#: Rows with the smallest and the largest values of a column that are kept beside the sample.
EXTREMES: Final = 100


@dataclass(frozen=True, slots=True)
class Sample:
    """Some rows with the hashes of their ids, by hash.

    Attributes:
        rows: The rows.
        hashes: Shape (n,), ascending.
    """

    rows: Rows
    hashes: Hashes


def sample_of(rows: Rows, size: int) -> Sample:
    """Return the `size` rows with the smallest hashes; each row has the same chance."""
    digests = (hashlib.blake2b(one.encode(), digest_size=8).digest() for one in rows.ids)
    hashes = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    return _smallest(rows, hashes, size)


def merge_samples(first: Sample, second: Sample, size: int) -> Sample:
    """Return the sample of the rows of both."""
    return _smallest(
        first.rows.joined(second.rows), np.concatenate([first.hashes, second.hashes]), size
    )


def extremes_of(rows: Rows, column: Floats) -> Rows:
    """Return the rows with the smallest and the largest values of a column, by id."""
    values = np.where(np.isfinite(column), column, np.nan)
    known = np.flatnonzero(~np.isnan(values))
    ids = _texts([rows.ids[place] for place in known])
    # Of equal values the smaller ids, so that the parts do not matter.
    ascending = known[np.lexsort((ids, values[known]))]
    descending = known[np.lexsort((ids, -values[known]))]
    chosen = np.union1d(ascending[:EXTREMES], descending[:EXTREMES])
    return rows.taken(sorted(chosen.tolist(), key=lambda place: rows.ids[place]))


def _smallest(rows: Rows, hashes: Hashes, size: int) -> Sample:
    order = np.lexsort((_texts(rows.ids), hashes))[:size]
    return Sample(rows.taken(order.tolist()), hashes[order])


def _texts(ids: list[str]) -> NDArray[np.object_]:
    """Return ids as an array of references: numpy's own texts all take the room of the longest."""
    return np.array(ids, dtype=object)
