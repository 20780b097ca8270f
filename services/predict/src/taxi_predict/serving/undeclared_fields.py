"""Counts the fields of rows that the schema does not declare, by name: in bounded memory.

A client that misspells an optional field gets answers, and nothing else shows it. The names are the
clients', so they are cut, cleaned and few.
"""

import collections
import fcntl
import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Final

#: Names that a pod counts by, and the label of all that come after them.
MAX_NAMES: Final = 32
OTHER: Final = "other"
MAX_NAME_LENGTH: Final = 64
#: No name may look like another one after it was cleaned, least of all like a declared one.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_REPLACEMENT: Final = "?"
_FILE: Final = "undeclared-fields.txt"

#: Fields of one row that are looked at, and their characters that are kept in memory.
_MAX_FIELDS: Final = 128
_MAX_CHARACTERS: Final = 4096
_MAX_SHAPES: Final = 64
_MAX_REMEMBERED: Final = 256


class FieldNames:
    """The names that a pod counts by: the first ones that any of its workers met.

    Args:
        folder: Shared by the workers; emptied when their counters are.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE
        self._admitted: set[str] = set()
        self._labels: dict[str, str] = {}

    def label(self, name: str) -> str:
        """Return the label that a field is counted by."""
        label = self._labels.get(name)
        if label is not None:
            return label
        cleaned = _clean(name)
        # What was admitted stays so, and a full list stays full: the file is seldom read.
        if cleaned not in self._admitted and len(self._admitted) < MAX_NAMES:
            try:
                self._admit(cleaned)
            except OSError:
                return OTHER  # no row fails for the want of a disk; the next one tries again
        label = cleaned if cleaned in self._admitted else OTHER
        if len(self._labels) < _MAX_REMEMBERED and len(name) <= MAX_NAME_LENGTH:
            self._labels[name] = label
        return label

    def _admit(self, name: str) -> None:
        """Read which names the pod has, and add one when there is room."""
        with self._file.open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            admitted = set(file.read().splitlines())
            if name not in admitted and len(admitted) < MAX_NAMES:
                file.write(f"{name}\n")
                file.flush()
                admitted.add(name)
        self._admitted = admitted


class UndeclaredFields:
    """Counts rows by the fields that they should not have; counting costs one look-up.

    Rows of one client have the same fields in the same order, so rows are counted by that,
    and only `flush` looks at single names.

    Args:
        names: Of the pod.
        count: Takes a label and a number of rows.

    Attributes:
        declared: Fields of the schema; None before there is one, when nothing is counted.
    """

    def __init__(self, names: FieldNames, count: Callable[[str, int], None]) -> None:
        self.declared: frozenset[str] | None = None
        self._names = names
        self._count = count
        #: Rows by their fields, in a list of one: the hash of the fields is made only once.
        self._shapes: dict[tuple[str, ...], list[int]] = {}
        self._labels: collections.Counter[str] = collections.Counter()

    def add(self, body: object) -> None:
        """Count one row, whatever becomes of it; one that is no JSON object has no fields."""
        declared = self.declared
        if declared is None or not isinstance(body, dict) or declared.issuperset(body):
            return
        shape = tuple(body)
        rows = self._shapes.get(shape)
        if rows is not None:
            rows[0] += 1  # nearly always
        elif self._has_room_for(shape):
            self._shapes[shape] = [1]
        else:
            self._labels.update(self._labels_of(shape))

    def flush(self) -> None:
        """Hand over what was counted."""
        # Replaced before they are read: what is counted meanwhile waits in the new ones.
        shapes, self._shapes = self._shapes, {shape: [0] for shape in self._shapes}
        labels, self._labels = self._labels, collections.Counter()
        for shape, (rows,) in shapes.items():
            if rows:
                for label in self._labels_of(shape):
                    labels[label] += rows
        for label, rows in labels.items():
            self._count(label, rows)

    def _has_room_for(self, shape: tuple[str, ...]) -> bool:
        return (
            len(self._shapes) < _MAX_SHAPES
            and len(shape) <= _MAX_FIELDS
            and sum(map(len, shape)) <= _MAX_CHARACTERS
        )

    def _labels_of(self, shape: Iterable[str]) -> set[str]:
        """Return the labels of one row, each once: rows are counted, not fields."""
        declared = self.declared or frozenset()
        undeclared = (name for name in shape if name not in declared)
        names = list(islice(undeclared, _MAX_FIELDS + 1))
        labels = set(map(self._names.label, names[:_MAX_FIELDS]))
        return labels if len(names) <= _MAX_FIELDS else {*labels, OTHER}


def _clean(name: str) -> str:
    return _UNSAFE.sub(_REPLACEMENT, name[:MAX_NAME_LENGTH]) or _REPLACEMENT
