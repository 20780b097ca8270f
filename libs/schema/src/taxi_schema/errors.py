"""Errors of schemas, and how a foreign value is shown in a text."""

from typing import Final

from taxi_domain.errors import TaxiError

_MAX_SHOWN: Final = 60


class SchemaError(TaxiError):
    """A schema is not usable.

    Attributes:
        key: Path of the key in the file, such as `columns.distance.minimum`.
        problem: What is wrong with it.
        remedy: What its author can do.
    """

    def __init__(self, key: str, problem: str, remedy: str) -> None:
        super().__init__(f"{key}: {problem}; {remedy}")
        self.key = key
        self.problem = problem
        self.remedy = remedy


def number_text(number: float | int) -> str:
    """Return a number as short as it can be read back.

    >>> number_text(10.0), number_text(0.1), number_text(2**53 + 1)
    ('10', '0.1', '9007199254740993')
    """
    return repr(number).removesuffix(".0")


def shown(value: object) -> str:
    """Return a short form of any value that every encoding can write.

    >>> shown("EWR"), shown(10**400)
    ("'EWR'", 'an integer beyond 64 bits')
    """
    # Python refuses to write integers of thousands of digits.
    if isinstance(value, int) and value.bit_length() > 64:
        return "an integer beyond 64 bits"
    # What is long is cut before it is written: an array may be nested without end.
    if isinstance(value, list | tuple | dict):
        return "an array" if not isinstance(value, dict) else "a table"
    text = ascii(value[:_MAX_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
