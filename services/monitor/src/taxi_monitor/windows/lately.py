"""What came lately, by id: the newest, in a few bytes each."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: What is remembered of an id that is not known.
UNKNOWN: Final = -(2**63)
#: Ids wait until they are that part of all before they are put among the others.
_WAITING: Final = 16
#: So that not every id that comes moves all.
_SLACK: Final = 8


class Lately:
    """Remembers the newest `size` ids at least, and an eighth more at most, each with a number.

    An id is kept as its 64-bit hash, which no sender can foresee: 24 bytes in place of 250. That
    two of 100,000 are taken for one happens once in a billion runs.

    Args:
        size: Ids that are remembered.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        #: Ascending; with the number of each, and its place in the order of their coming.
        self._keys = np.empty(0, np.int64)
        self._numbers = np.empty(0, np.int64)
        self._order = np.empty(0, np.int64)
        self._came = 0
        #: The newest, in the order of their coming: few, since they are looked up one by one.
        self._waiting: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many ids are remembered."""
        return len(self._keys) + len(self._waiting)

    def get(self, ids: Sequence[str]) -> Numbers:
        """Return the numbers of ids, shape (n,); `UNKNOWN` where one is not remembered."""
        keys = _keys_of(ids)
        found = np.full(len(keys), UNKNOWN)
        places, here = self._find(keys)
        found[here] = self._numbers[places[here]]
        if self._waiting:
            rest = np.flatnonzero(~here)
            find = self._waiting.get
            found[rest] = [find(key, UNKNOWN) for key in keys[rest].tolist()]
        return found

    def has(self, ids: Sequence[str]) -> Mask:
        """Tell which ids are remembered, shape (n,)."""
        known: Mask = self.get(ids) != UNKNOWN
        return known

    def count(self, above: int, upto: int) -> int:
        """Count the ids whose number is above one and at most another."""
        waiting = np.fromiter(self._waiting.values(), np.int64, len(self._waiting))
        return sum(
            int(((numbers > above) & (numbers <= upto)).sum())
            for numbers in (self._numbers, waiting)
        )

    def renumber(self, above: int, number: int) -> None:
        """Give the ids whose number is above one another number."""
        self._numbers[self._numbers > above] = number
        for key, one in self._waiting.items():
            if one > above:
                self._waiting[key] = number

    def update(self, ids: Sequence[str], numbers: Iterable[int]) -> Numbers:
        """Remember ids; those that are remembered get the new number and keep their place.

        Args:
            ids: Of one that comes twice the last number counts.
            numbers: Theirs, none of them `UNKNOWN`.

        Returns:
            The numbers of the oldest, which are forgotten.
        """
        keys = _keys_of(ids)
        values = np.fromiter(numbers, np.int64, len(keys))
        places, here = self._find(keys)
        self._numbers[places[here]] = values[here]
        self._waiting.update(zip(keys[~here].tolist(), values[~here].tolist(), strict=True))
        if len(self._waiting) > self._size // _WAITING:
            self._settle()
            if len(self._keys) > self._size + self._size // _SLACK:
                return self._forget(len(self._keys) - self._size)
        return np.empty(0, np.int64)

    def _find(self, keys: Numbers) -> tuple[Numbers, Mask]:
        """Return the places of keys among those that do not wait, and which are there."""
        if not len(self._keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return places, self._keys[places] == keys

    def _settle(self) -> None:
        """Put what waits among the others."""
        count = len(self._waiting)
        keys = np.fromiter(self._waiting.keys(), np.int64, count)
        numbers = np.fromiter(self._waiting.values(), np.int64, count)
        order = np.argsort(keys)
        at = np.searchsorted(self._keys, keys[order])
        came = np.arange(self._came, self._came + count)
        self._keys = np.insert(self._keys, at, keys[order])
        self._numbers = np.insert(self._numbers, at, numbers[order])
        self._order = np.insert(self._order, at, came[order])
        self._came += count
        self._waiting = {}

    def _forget(self, count: int) -> Numbers:
        """Forget the oldest; return their numbers."""
        kept = self._order > np.partition(self._order, count - 1)[count - 1]
        gone: Numbers = self._numbers[~kept]
        self._keys, self._numbers, self._order = (
            one[kept] for one in (self._keys, self._numbers, self._order)
        )
        return gone


def _keys_of(ids: Sequence[str]) -> Numbers:
    return np.fromiter(map(hash, ids), np.int64, len(ids))
