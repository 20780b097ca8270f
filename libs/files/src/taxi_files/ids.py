"""Ids of rows in files, and how often one comes twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taxi_domain.errors import FieldError
from taxi_domain.ids import check_id
from taxi_files.reading import DataFileError, plain

Hashes = NDArray[np.int64]

_SHOWN: Final = 3


def ids_of(table: pa.Table, name: str, path: Path) -> list[str | None]:
    """Return the ids of rows; None for what is missing or no id.

    Args:
        table: Of a piece; without the column no row has an id.
        name: Of the column.
        path: Of the file, for texts.

    Raises:
        DataFileError: the column has neither texts nor integers.
    """
    if name not in table.column_names:
        return [None] * table.num_rows
    array = plain(table, name)
    kind = array.type
    if not (
        pa.types.is_string(kind) or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind) or pa.types.is_null(kind)
    ):  # fmt: skip
        raise DataFileError(f"{path}: {name} is {kind}; give ids that are texts or integers")
    return [_id(value, name) for value in array.to_pylist()]


class DoubledIds:
    """Counts ids that came before, of any number of rows: eight bytes for each.

    Ids are told apart by 64 bits of a hash: of ten million different ones two are taken for
    the same with a probability of 3e-6.
    """

    def __init__(self) -> None:
        self._known: Hashes = np.zeros(0, np.int64)
        self._new: list[Hashes] = []
        self.count = 0
        self.examples: list[str] = []

    def add(self, ids: Sequence[str | None]) -> NDArray[np.bool_]:
        """Take the ids of the next rows; return which of these came before."""
        present = np.array([row_id is not None for row_id in ids], np.bool_)
        doubled = np.zeros(len(ids), np.bool_)
        # SipHash with a key of this process: of good spread, and no file can aim at it.
        hashes = np.array([hash(row_id) for row_id in ids if row_id is not None], np.int64)
        distinct, places = np.unique(hashes, return_index=True)
        new = ~self._is_known(distinct)
        again = np.ones(len(hashes), np.bool_)
        again[places[new]] = False
        doubled[present] = again
        self._add(distinct[new])
        self.count += int(doubled.sum())
        missing = _SHOWN - len(self.examples)
        self.examples += [str(ids[place]) for place in np.flatnonzero(doubled)[:missing]]
        return doubled

    def _is_known(self, hashes: Hashes) -> NDArray[np.bool_]:
        known = np.zeros(len(hashes), np.bool_)
        for part in (self._known, *self._new):
            if len(part):
                places = np.minimum(np.searchsorted(part, hashes), len(part) - 1)
                known |= part[places] == hashes
        return known

    def _add(self, new: Hashes) -> None:
        self._new.append(new)
        # Merging all at each piece would cost the square of their number. None is there twice, and
        # sorted runs are merged, where `np.unique` would hash them all.
        if sum(map(len, self._new)) > max(len(self._known) // 4, 1):
            self._known = np.concatenate([self._known, *self._new])
            self._new = []
            self._known.sort(kind="stable")


def _id(value: object, name: str) -> str | None:
    try:
        return check_id(value, name)
    except FieldError:
        return None
