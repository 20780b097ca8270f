"""A first schema for a file: kinds, limits and nullability, with comments where to look."""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from taxi_domain.numbers import MAX_NUMBER
from taxi_files.reading import DataFileError, plain, read_columns, read_names
from taxi_schema.column import MAX_MEASURED_INTEGER, MAX_TEXT
from taxi_schema.errors import SchemaError
from taxi_schema.names import RESERVED, check_name, is_category
from taxi_schema.read_column import MAX_CATEGORIES
from taxi_schema.reading import schema_of_toml
from taxi_schema.schema import MAX_COLUMNS

#: Integers with so few different values may be codes.
_MAX_CODES: Final = 1000
_CODE_NAME: Final = re.compile(r"(?i)(id|code|zone|type|class|group|no|num|nr)$")
#: A closed category is suggested up to here.
_MAX_LISTED: Final = 20
#: Texts of which more than this share are different are ids or prose.
_MAX_DISTINCT_SHARE: Final = 0.5
#: Least correlation with the target of a number that the fallback may rise with.
_MIN_CORRELATION: Final = 0.3


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns of the file are what; an empty event time is none."""

    id: str
    target: str
    event_time: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """The TOML of one column, or a comment why it is left out."""

    name: str
    lines: tuple[str, ...]
    kind: str = ""

    @property
    def is_column(self) -> bool:
        """Whether the schema gets it."""
        return bool(self.kind)


def guessed_schema(path: Path, roles: Roles) -> str:
    """Return a schema as TOML that reads, and that the file's rows suit.

    Raises:
        DataFileError: the file cannot be read, or has no column that a model can use.
        SchemaError: a role has a name that no schema may give.
    """
    names: list[str] = read_names(path).names
    wanted = [roles.target, *([roles.event_time] if roles.event_time else [])]
    others = [name for name in names if name not in {roles.id, *wanted}]
    distinct = [name for name in others if names.count(name) == 1]
    table = read_columns(path, [*wanted, *distinct], typed=True)
    target = _numbers(table, roles.target)
    if target is None:
        raise DataFileError(f"{path}: {roles.target} holds no numbers; name another --target")
    guesses = _limited([_guess(name, plain(table, name)) for name in distinct])
    if not any(guess.is_column for guess in guesses):
        raise DataFileError(f"{path}: has no column for a model besides id, event time and target")
    text = "\n".join(
        [*_head(path, roles, target), *_columns(guesses), *_end(table, roles, guesses)]
    )
    schema_of_toml(text.encode())
    return text + "\n"


def _head(path: Path, roles: Roles, target: NDArray[np.float64]) -> Iterable[str]:
    known = target[np.isfinite(target)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    yield f"# Guessed from {json.dumps(path.name)}: look at each line with a question mark."
    yield f"id = {_text(roles.id)}"
    if roles.event_time:
        yield "# Local times of which zone? Times with an offset are converted to it."
        yield f'event_time = {{ name = {_text(roles.event_time)}, timezone = "UTC" }}'
    yield ""
    yield "[target]"
    yield f"name = {_text(roles.target)}"
    yield '# In which unit? unit = "minutes"'
    yield f"# Limits of answers, which errors use too? The file has {low:g} to {high:g}."
    yield f"# minimum = {_number(max(_down(low), -MAX_NUMBER))}"
    yield f"# maximum = {_number(min(_up(high), MAX_NUMBER))}"


def _columns(guesses: Iterable[Guess]) -> Iterable[str]:
    for guess in guesses:
        yield ""
        yield from guess.lines


def _end(table: pa.Table, roles: Roles, guesses: list[Guess]) -> Iterable[str]:
    categories = [guess.name for guess in guesses if guess.kind == "category"]
    yield ""
    yield "[derived]"
    if len(categories) > 1:
        pair = ", ".join(_text(name) for name in categories[:2])
        yield "# Do two categories mean more together?"
        yield f"# pair = {{ cross = [{pair}] }}"
    if roles.event_time:
        used = {guess.name for guess in guesses} | {roles.id, roles.target, roles.event_time}
        for name in ("hour", "weekday"):
            comment = "# " if name in used else ""
            yield f'{comment}{name} = {{ {name}_of = "event_time" }}'
    yield ""
    yield "# Groups in which the error is watched by itself?"
    yield from _slice_of(guesses)
    yield ""
    yield "[fallback]"
    yield "# Does the target always rise with this number? Else the fallback is the median alone."
    best, correlation = _strongest(table, roles.target, guesses)
    comment = "" if correlation >= _MIN_CORRELATION else "# "
    if best:
        yield f"{comment}monotonic = {_text(best)}  # correlation {correlation:.2f}"


def _slice_of(guesses: list[Guess]) -> Iterable[str]:
    for guess in guesses:
        if guess.kind == "number":
            yield "# [[slices]]"
            yield f"# name = {_text(guess.name)}"
            yield f"# column = {_text(guess.name)}"
            yield "# bands = [1, 10, 100]"
            return


def _guess(name: str, array: pa.Array) -> Guess:
    problem = _name_problem(name)
    if problem:
        return _left_out(name, problem)
    kind = array.type
    known = array.drop_null()
    if pa.types.is_floating(kind):
        known = known.filter(pc.is_finite(known))
    if not len(known):
        return _left_out(name, "has no value")
    if pa.types.is_boolean(kind):
        return _column(name, "boolean", [], array)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _number_column(name, array, known)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _text_column(name, array, known)
    return _left_out(name, f"is {kind}, no number, category or boolean")


def _number_column(name: str, array: pa.Array, known: pa.Array) -> Guess:
    low, high = pc.min(known).as_py(), pc.max(known).as_py()
    comment = (
        f"# The file has {_shown(low)} to {_shown(high)}; requests outside are refused. Right?"
    )
    integers = pa.types.is_integer(known.type)
    distinct = pc.count_distinct(known).as_py() if integers else 0
    few = integers and distinct <= min(_MAX_CODES, max(len(known) // 20, 2))
    exact = low >= -MAX_MEASURED_INTEGER and high <= MAX_MEASURED_INTEGER
    if few and _CODE_NAME.search(name) and exact:
        lines = [f"# {distinct} codes? Amounts would be kind = \"number\".", comment,
                 f"minimum = {low}", f"maximum = {high}"]  # fmt: skip
        return _column(name, "category", lines, array)
    lines = ['# Codes would be kind = "category".'] if few else []
    limits = [f"minimum = {_number(_down(float(low)))}", f"maximum = {_number(_up(float(high)))}"]
    return _column(name, "number", [*lines, comment, *limits], array)


def _text_column(name: str, array: pa.Array, known: pa.Array) -> Guess:
    texts = [text for text in pc.unique(known).to_pylist() if text]
    if not texts:
        return _left_out(name, "has no value")
    odd = sum(not is_category(text) for text in texts)
    if odd:
        return _left_out(
            name, f"has {odd} texts longer than {MAX_TEXT} characters or with control characters"
        )
    prose = len(texts) > _MAX_LISTED and len(texts) > len(known) * _MAX_DISTINCT_SHARE
    if prose or len(texts) > MAX_CATEGORIES:
        return _left_out(name, f"has {len(texts)} different texts: ids or prose")
    lines = []
    if len(texts) <= _MAX_LISTED:
        listed = ", ".join(_text(text) for text in sorted(texts))
        lines = ["# Are these all values that there will ever be? Others would be refused.",
                 f"# values = [{listed}]"]  # fmt: skip
    if len(texts) > 10_000:
        lines.append(f"max_categories = {min(2 * len(texts), MAX_CATEGORIES)}")
    return _column(name, "category", lines, array)


def _column(name: str, kind: str, lines: list[str], array: pa.Array) -> Guess:
    missing = array.null_count
    if pa.types.is_floating(array.type):
        missing = len(array) - (pc.sum(pc.is_finite(array)).as_py() or 0)
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        missing += pc.sum(pc.equal(array, pa.scalar("", array.type))).as_py() or 0
    head = ["[[columns]]", f"name = {_text(name)}", f'kind = "{kind}"']
    nullable = [f"nullable = true  # missing in {missing} of {len(array)} rows"] if missing else []
    return Guess(name, (*head, *lines, *nullable), kind)


def _left_out(name: str, reason: str) -> Guess:
    return Guess(name, (f"# Left out: {json.dumps(name)} {reason}.",))


def _limited(guesses: list[Guess]) -> list[Guess]:
    """Leave out columns beyond as many as a schema may have."""
    columns = 0
    result = []
    for guess in guesses:
        columns += guess.is_column
        beyond = guess.is_column and columns > MAX_COLUMNS
        result.append(
            _left_out(guess.name, f"is beyond {MAX_COLUMNS} columns") if beyond else guess
        )
    return result


def _name_problem(name: str) -> str:
    if name in RESERVED:
        return "is a reserved name; rename it in the file"
    try:
        check_name(name, "name")
    except SchemaError as error:
        return f"cannot be a name ({error.problem}); rename it in the file"
    return ""


def _strongest(table: pa.Table, target: str, guesses: list[Guess]) -> tuple[str, float]:
    """Return the number that rises most with the target, and their correlation."""
    labels = _numbers(table, target)
    assert labels is not None
    best = ("", -math.inf)
    for guess in guesses:
        values = _numbers(table, guess.name) if guess.kind == "number" else None
        if values is None:
            continue
        known = np.isfinite(values) & np.isfinite(labels)
        if known.sum() < 2:
            continue
        x, y = values[known], labels[known]
        spread = float(x.std() * y.std())
        correlation = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread else 0.0
        if math.isfinite(correlation) and correlation > best[1]:
            best = (guess.name, correlation)
    return best


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64] | None:
    array = plain(table, name)
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    numbers: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(
        zero_copy_only=False
    )
    return numbers


def _up(value: float) -> float:
    """Return a round number well above; zero stays."""
    if value <= 0:
        return 0.0 if value == 0 else -_rounded(-value / 2, math.floor)
    return _rounded(value * 2, math.ceil)


def _down(value: float) -> float:
    """Return a round number well below; what is not negative has zero below."""
    return 0.0 if value >= 0 else -_rounded(-value * 2, math.ceil)


def _rounded(value: float, how: Any) -> float:
    """Return a number of one digit."""
    scale = 10.0 ** math.floor(math.log10(value))
    rounded = how(value / scale) * scale
    return float(f"{rounded:.6g}") if math.isfinite(rounded) else value


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"{float(value):g}"


def _number(value: float) -> str:
    """Return a finite number as TOML has it."""
    value = min(max(value, -1.7e308), 1.7e308)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
