"""Conditions as a file of TOML has them, and those that hold without one."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_profiles.reference import PREDICTION
from taxi_report.check.named import NAMED, P_VALUES, is_for
from taxi_schema.column import Kind
from taxi_schema.names import nearest
from taxi_schema.schema import Schema

#: Share of a column's rows by which missing values may exceed those of the reference.
NULL_MARGIN: Final = 0.05
#: Standard errors of the reference's share of missing values that count as chance.
STANDARD_ERRORS: Final = 3.0
MAX_FILE_BYTES: Final = 1 << 20

MINIMUM: Final = "minimum"
MAX_REFUSED_SHARE: Final = "max_refused_share"
MAX_DOUBLED_IDS: Final = "max_doubled_ids"
MAX_DRIFT: Final = "max_drift"
MAX_SCORE: Final = "max_score"
MAX_NULL_SHARE: Final = "max_null_share"
MAX_UNSEEN_SHARE: Final = "max_unseen_share"
MAX_MEAN_CHANGE: Final = "max_mean_change"
MAX_ERROR: Final = "max_error"
MAX_RMSE: Final = "max_rmse"
MAX_MAE: Final = "max_mae"
MAX_BIAS: Final = "max_bias"
MAX_RMSE_RATIO: Final = "max_rmse_ratio"

ROWS: Final = (MINIMUM, MAX_REFUSED_SHARE, MAX_DOUBLED_IDS)
COLUMNS: Final = (
    MAX_DRIFT, MAX_SCORE, MAX_NULL_SHARE, MAX_UNSEEN_SHARE, MAX_MEAN_CHANGE, MAX_REFUSED_SHARE,
    *NAMED,
)  # fmt: skip
ERROR: Final = (MAX_ERROR, MAX_RMSE, MAX_MAE, MAX_BIAS, MAX_RMSE_RATIO)
#: What a request has nothing of: predictions and labels are measured only.
_OF_INPUTS: Final = (MAX_NULL_SHARE, MAX_UNSEEN_SHARE, MAX_REFUSED_SHARE)
#: Conditions that compare distributions: by default of the columns that decide.
OF_DRIFT: Final = (MAX_DRIFT, MAX_SCORE, MAX_MEAN_CHANGE, *NAMED)
#: Conditions that are met from their limit on.
MINIMA: Final = frozenset({MINIMUM, *P_VALUES})
_REQUIRED: Final = "required"
_SHARES: Final = (MAX_REFUSED_SHARE, MAX_NULL_SHARE, MAX_UNSEEN_SHARE, *P_VALUES)
_COUNTS: Final = (MINIMUM, MAX_DOUBLED_IDS)

Limits = dict[str, float | None]


class ConditionsError(TaxiError):
    """A file of conditions cannot be used; the text names the key and the remedy."""


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of one table of the file.

    Attributes:
        limits: By name; None is switched off.
        required: Names of those that must be evaluated: what cannot be is then as bad as what is
            not met.
    """

    limits: Limits = field(default_factory=dict)
    required: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conditions:
    """All conditions.

    Attributes:
        rows: Of the data as a whole.
        defaults: Of every column that has none of its own.
        columns: Of single columns, by name.
        error: Of the model's error.
    """

    rows: Group
    defaults: Group
    columns: Mapping[str, Group]
    error: Group


BUILT_IN: Final = Conditions(
    rows=Group({MINIMUM: 1, MAX_REFUSED_SHARE: 0.05, MAX_DOUBLED_IDS: 0}),
    defaults=Group({MAX_DRIFT: 1.0}),
    columns={},
    error=Group({MAX_ERROR: 1.0}),
)


def read_conditions(path: Path, schema: Schema) -> Conditions:
    """Read conditions; what the file does not say is as `BUILT_IN` has it.

    Raises:
        ConditionsError: it cannot be read, or is not usable; the text names file and key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        document = tomllib.loads(data.decode())
    except OSError as error:
        raise ConditionsError(
            f"{path}: cannot be read ({error.strerror}); give the path of a checks.toml"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConditionsError(f"{path}: is not TOML ({error}); correct the file") from error
    try:
        return conditions_of(document, schema)
    except ConditionsError as error:
        raise ConditionsError(f"{path}: {error}") from error


def conditions_of(document: Mapping[str, Any], schema: Schema) -> Conditions:
    """Return the conditions of a decoded document.

    Raises:
        ConditionsError: names the key, the problem and the remedy.
    """
    _check_keys("", document, ("rows", "defaults", "columns", "error"))
    found = document.get("columns", {})
    if not isinstance(found, Mapping):
        raise _wrong("columns", found, 'tables such as [columns."distance"]')
    return Conditions(
        rows=_group("rows", document.get("rows", {}), ROWS, BUILT_IN.rows.limits),
        defaults=_group(
            "defaults", document.get("defaults", {}), COLUMNS, BUILT_IN.defaults.limits
        ),
        columns={name: _column(schema, name, content) for name, content in found.items()},
        error=_error(document.get("error", {})),
    )


def _error(content: object) -> Group:
    """Return the conditions of the error: those that the file names in place of the default."""
    named = isinstance(content, Mapping) and set(content) & set(ERROR)
    return _group("error", content, ERROR, {} if named else BUILT_IN.error.limits)


def _column(schema: Schema, name: str, content: object) -> Group:
    columns = {column.name: column for column in schema.columns}
    known = [*columns, PREDICTION, schema.target.name]
    key = f'columns."{name}"'
    if name not in known:
        raise ConditionsError(f"{key}: is no column of the schema; {nearest(name, known)}")
    group = _group(key, content, COLUMNS, {})
    column = columns.get(name)
    number = column is None or column.kind is Kind.NUMBER
    for limit in group.limits:
        if column is None and limit in _OF_INPUTS:
            raise ConditionsError(f"{key}.{limit}: is for columns of requests; remove it")
        if limit == MAX_MEAN_CHANGE and not number:
            raise ConditionsError(f"{key}.{limit}: has no mean, as no number; use {MAX_DRIFT}")
        if limit == MAX_UNSEEN_SHARE and number:
            raise ConditionsError(f"{key}.{limit}: is no category; use {MAX_DRIFT}")
        if not is_for(limit, number):
            kind = "categories" if number else "numbers"
            raise ConditionsError(f"{key}.{limit}: is for {kind}; use {MAX_DRIFT}")
    return group


def _group(key: str, content: object, known: Sequence[str], others: Limits) -> Group:
    """Return the conditions of a table.

    Those that it names must be evaluated, but for the defaults; `required` says otherwise.

    Args:
        key: Of the table.
        content: What the file has there.
        known: Names that it may have.
        others: What holds where it has none.
    """
    if not isinstance(content, Mapping):
        raise _wrong(key, content, "a table")
    _check_keys(f"{key}.", content, (*known, _REQUIRED))
    wanted = content.get(_REQUIRED)
    if wanted is not None and not isinstance(wanted, bool):
        raise _wrong(f"{key}.{_REQUIRED}", wanted, "true or false")
    named = {
        name: _limit(f"{key}.{name}", name, value)
        for name, value in content.items()
        if name != _REQUIRED
    }
    limits = {**others, **named}
    required = {True: limits, False: {}, None: {} if key == "defaults" else named}[wanted]
    return Group(limits, frozenset(required))


def _check_keys(prefix: str, content: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in content:
        if name not in known:
            raise ConditionsError(f"{prefix}{name}: is no key here; {nearest(name, known)}")


def _limit(key: str, name: str, value: object) -> float | None:
    """Return a limit, None for `false`, which switches a condition off."""
    if value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(key, value, "a number, or false to switch it off")
    if name in _COUNTS and not isinstance(value, int):
        raise _wrong(key, value, "a whole number")
    largest = 1.0 if name in _SHARES else 1e300
    if not 0 <= value <= largest:
        raise ConditionsError(
            f"{key}: is {value}; give a number from 0 {'to 1' if name in _SHARES else 'on'}"
        )
    return value


def _wrong(key: str, value: object, expected: str) -> ConditionsError:
    return ConditionsError(f"{key}: is a {type(value).__name__}; give {expected}")
