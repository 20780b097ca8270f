"""Typed access to one table of a schema's file; every problem names its key."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from taxi_domain.numbers import MAX_NUMBER
from taxi_schema.errors import SchemaError, shown
from taxi_schema.names import MAX_NAME, check_name, nearest

Choice = TypeVar("Choice", bound=StrEnum)

MAX_UNIT: Final = 64
MAX_DESCRIPTION: Final = 1024
_WORDS: Final = {
    bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array",
    dict: "a table", type(None): "null",
}  # fmt: skip


class Table:
    """One table.

    Args:
        value: What the file has there.
        key: Path of the table; empty for the whole file.
        known: The keys that it may have.

    Raises:
        SchemaError: it is no table, or has another key.
    """

    def __init__(self, value: object, key: str, known: Sequence[str]) -> None:
        if not isinstance(value, Mapping):
            raise wrong_type(key or "schema", value, "a table")
        self.key = key
        self._values: Mapping[str, Any] = value
        for name in value:
            if name not in known:
                plain = name if isinstance(name, str) else ""
                raise SchemaError(
                    self.path(_plain(name)), "is not a key of a schema here", nearest(plain, known)
                )

    def __contains__(self, name: str) -> bool:
        """Tell whether the file has the key."""
        return name in self._values

    def path(self, name: str) -> str:
        """Return the path of one of its keys."""
        return f"{self.key}.{name}" if self.key else name

    def value(self, name: str) -> Any:
        """Return what the file has, None when absent."""
        return self._values.get(name)

    def required(self, name: str, remedy: str) -> None:
        """Check that the file has the key."""
        if name not in self._values:
            raise SchemaError(self.path(name), "is missing", remedy)

    def name(self, name: str, remedy: str) -> str:
        """Return a name that must be there."""
        self.required(name, remedy)
        value = self._values[name]
        if not isinstance(value, str):
            raise wrong_type(self.path(name), value, "a string")
        check_name(value, self.path(name))
        return value

    def text(self, name: str, longest: int = MAX_DESCRIPTION) -> str:
        """Return a string, empty when absent."""
        value = self._values.get(name, "")
        if not isinstance(value, str):
            raise wrong_type(self.path(name), value, "a string")
        if len(value) > longest:
            raise SchemaError(
                self.path(name), f"has {len(value)} characters", f"shorten it to {longest}"
            )
        _check_encodable(value, self.path(name))
        return value

    def flag(self, name: str) -> bool:
        """Return true or false, false when absent."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise wrong_type(self.path(name), value, "true or false")
        return value

    def number(self, name: str) -> float | int | None:
        """Return a finite number, None when absent."""
        if name not in self._values:
            return None
        return finite(self._values[name], self.path(name))

    def choice(self, name: str, choices: type[Choice], default: Choice | None) -> Choice:
        """Return one of the words of an enumeration."""
        words = [str(choice) for choice in choices]
        remedy = f"use one of {', '.join(words)}"
        value = self._values.get(name, default)
        if value is None:
            raise SchemaError(self.path(name), "is missing", remedy)
        if not isinstance(value, str) or value not in words:
            raise SchemaError(self.path(name), f"is {shown(value)}", remedy)
        return choices(value)

    def array(self, name: str, content: str) -> list[Any]:
        """Return an array, empty when absent.

        Args:
            name: The key.
            content: What it is an array of, for the text.
        """
        value = self._values.get(name, [])
        if not isinstance(value, list):
            raise wrong_type(self.path(name), value, f"an array of {content}")
        return value


def finite(value: object, key: str) -> float | int:
    """Return a number that is not too large.

    Raises:
        SchemaError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(key, value, "a number")
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise SchemaError(
            key, f"is {shown(value)}, not a number up to {MAX_NUMBER:g}",
            "give a smaller one or omit it",
        )  # fmt: skip
    return value


def wrong_type(key: str, value: object, expected: str) -> SchemaError:
    """Return the error of a value that has another type."""
    word = _WORDS.get(type(value), f"a {type(value).__name__}")
    return SchemaError(key, f"is {word}, not {expected}", f"give {expected}")


def _check_encodable(text: str, key: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SchemaError(key, "is not valid Unicode", "remove the lone surrogate") from None


def _plain(name: object) -> str:
    """Return a key as a text can show it."""
    if isinstance(name, str) and len(name) <= MAX_NAME and name.isprintable() and name:
        return name
    return shown(name)
