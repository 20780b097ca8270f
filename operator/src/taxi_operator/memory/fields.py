"""Reading a JSON document that another release, or a person, may have written. Pure."""

import math
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

#: A clock of another machine may be ahead by as much, seconds; a later time cannot be true.
CLOCK_SKEW_SECONDS: Final = 300.0
MAX_NUMBER: Final = 999_999_999
_MAX_TEXT: Final = 32_768

Word = TypeVar("Word", bound=StrEnum)


class Fields:
    """Fields of one JSON object. A field that cannot be used is absent, and noted.

    Args:
        found: The object; anything else is read as an empty one.
        path: Name of the object, for the notes.
        now: Present time, seconds since the epoch.
        notes: Gets the first problem of each part: the first word of its path.
    """

    def __init__(
        self, found: object, path: str, now: float, notes: MutableMapping[str, str]
    ) -> None:
        self._path = path
        self._now = now
        self._notes = notes
        self.found: Mapping[str, Any] = {}
        if isinstance(found, Mapping):
            self.found = found
        elif found is not None:
            self.note("", f"{_short(found)} is no object")

    def note(self, name: str, problem: str) -> None:
        """Remember what is wrong with a field."""
        path = ".".join(filter(None, (self._path, name)))
        self._notes.setdefault(path.split(".", 1)[0].split("[", 1)[0], f"{path}: {problem}")

    def part(self, name: str) -> "Fields":
        """Return an object; an empty one when there is none."""
        return Fields(self.found.get(name), self._child(name), self._now, self._notes)

    def parts(self, name: str, most: int) -> list["Fields"]:
        """Return the first objects of a list."""
        found = self.found.get(name)
        if found is None:
            return []
        if not isinstance(found, list | tuple):
            self.note(name, f"{_short(found)} is no list")
            return []
        if len(found) > most:
            self.note(name, f"has {len(found)} entries, more than {most}")
        children = []
        for number, one in enumerate(found[:most]):
            if isinstance(one, Mapping):
                path = f"{self._child(name)}[{number}]"
                children.append(Fields(one, path, self._now, self._notes))
            else:
                self.note(name, f"{_short(one)} is no object")
        return children

    def text(self, name: str) -> str | None:
        """Return a text."""
        found = self.found.get(name)
        if found is None or (isinstance(found, str) and len(found) <= _MAX_TEXT):
            return found
        self.note(name, f"{_short(found)} is no text of at most {_MAX_TEXT} characters")
        return None

    def texts(self, name: str, most: int) -> list[str]:
        """Return a list of texts."""
        found = self.found.get(name)
        if found is None:
            return []
        if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
            self.note(name, f"{_short(found)} is no list of texts")
            return []
        return list(found[:most])

    def word(self, name: str, words: type[Word]) -> Word | None:
        """Return one of the words that this release knows."""
        found = self.text(name)
        if found is None:
            return None
        try:
            return words(found)
        except ValueError:
            self.note(name, f"{_short(found)} is not known to this release")
            return None

    def integer(self, name: str) -> int | None:
        """Return a whole number from 0 on."""
        found = self.found.get(name)
        if found is None:
            return None
        number = self._number(found)
        if number is None or number != int(number) or not 0 <= number <= MAX_NUMBER:
            self.note(name, f"{_short(found)} is no whole number of 0 to {MAX_NUMBER}")
            return None
        return int(number)

    def seconds(self, name: str) -> float | None:
        """Return a length of time, from 0 on."""
        found = self.found.get(name)
        if found is None:
            return None
        number = self._number(found)
        if number is None or not 0 <= number <= MAX_NUMBER:
            self.note(name, f"{_short(found)} is no number of seconds")
            return None
        return number

    def time(self, name: str, *, ahead: float = 0.0) -> float | None:
        """Return a time in seconds since the epoch; one that lies ahead is cut.

        Args:
            name: Name of the field.
            ahead: How far ahead it may lie, seconds.
        """
        found = self.found.get(name)
        if found is None:
            return None
        try:
            moment = datetime.fromisoformat(found)
            # Without a zone it would be read in that of this machine.
            seconds = moment.timestamp() if moment.tzinfo else -1.0
        except (TypeError, ValueError, OverflowError):
            seconds = -1.0
        if seconds < 0:
            self.note(name, f"{_short(found)} is no time")
            return None
        latest = self._now + ahead
        if seconds > latest + CLOCK_SKEW_SECONDS:
            self.note(name, f"{_short(found)} lies ahead")
            return latest
        return seconds

    def _child(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    @staticmethod
    def _number(found: object) -> float | None:
        """Return a finite number; a text may stand for it."""
        if isinstance(found, bool) or not isinstance(found, int | float | str):
            return None
        try:
            number = float(found)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None


def _short(found: object) -> str:
    """Return what stands there, cut: it goes into messages."""
    return repr(found)[:60] if isinstance(found, str | int | float) else type(found).__name__
