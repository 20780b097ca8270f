"""What came lately, by key: the newest, and after them some that are older."""

from collections.abc import Sequence
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lately(Generic[Value]):
    """Remembers the newest `size` keys at least, and twice as many at most.

    Two dictionaries take turns, so that many keys come and go at once.

    Args:
        size: Keys that are remembered.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._newer: dict[str, Value] = {}
        self._older: dict[str, Value] = {}

    def __contains__(self, key: object) -> bool:
        """Tell whether a key is remembered."""
        return key in self._newer or key in self._older

    def get(self, key: str) -> Value | None:
        """Return what is remembered of a key."""
        found = self._newer.get(key)
        return self._older.get(key) if found is None else found

    def update(self, keys: Sequence[str], values: Sequence[Value]) -> None:
        """Remember keys."""
        self._newer.update(zip(keys, values, strict=True))
        if len(self._newer) >= self._size:
            self._newer, self._older = {}, self._newer

    def clear(self) -> None:
        """Forget all."""
        self._newer, self._older = {}, {}
