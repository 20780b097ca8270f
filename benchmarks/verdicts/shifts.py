"""Changes put into real rows: each takes requests and gives them back changed.

They know columns by their roles only, so that they work on the rows of any schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from taxi_schema.columns.rows import LabelledRows
from verdicts.subjects import Roles
from verdicts.traffic import Mask, Traffic

#: Kinds of the verdict, as `taxi_profiles.evidence` names them.
CONCEPT: Final = "Concept"
FAULT: Final = "DataFault"
INPUTS: Final = ("Benign", "ExpectedHarm", "HarmfulCovariate")
#: Rows among which shuffles exchange values: fewer than an hour has, so marginals stay.
_NEAR: Final = 200
#: Share of a column's values, the largest, that count as long.
_LONG: Final = 0.4
#: Rows that a stuck source repeats.
_REPEATED: Final = 200


@dataclass(frozen=True)
class Setting:
    """What a shift may look at beside the rows that it changes."""

    roles: Roles
    reference: LabelledRows
    random: Generator


Change = Callable[[Traffic, Setting], Traffic]


@dataclass(frozen=True)
class Shift:
    """A change with what a good verdict says of it.

    Attributes:
        name: As scenarios are called.
        change: Pure but for the setting's random numbers.
        kinds: Kinds that would be right; empty where any is.
        blames: Names of roles of columns of which one should be blamed; empty where none is.
        nullable: Whether numbers may be missing, whatever the schema says.
        swaps: Whether it needs two categories of the same values.
    """

    name: str
    change: Change
    kinds: tuple[str, ...] = ()
    blames: tuple[str, ...] = ()
    nullable: bool = False
    swaps: bool = False


def scaled_number(factor: float) -> Change:
    """Multiply the number, as another unit or source does."""

    def change(traffic: Traffic, setting: Setting) -> Traffic:
        name = setting.roles.number
        return traffic.with_column(name, traffic.rows.columns[name] * factor)

    return change


def scaled_target(factor: float) -> Change:
    """Multiply the labels: the same rows take longer than they did."""

    def change(traffic: Traffic, _setting: Setting) -> Traffic:
        return traffic.with_target(traffic.rows.target * factor)

    return change


def nulls(share: float, *, of_long: bool) -> Change:
    """Let the number be missing in this share of the rows."""

    def change(traffic: Traffic, setting: Setting) -> Traffic:
        name = setting.roles.number
        values = traffic.rows.columns[name].astype(np.float64)
        return traffic.with_column(
            name, np.where(_hit(traffic, setting, share, of_long), np.nan, values)
        )

    return change


def refusals(share: float, *, of_long: bool) -> Change:
    """Refuse this share of the requests, for the number."""

    def change(traffic: Traffic, setting: Setting) -> Traffic:
        refused = traffic.refused.copy()
        refused[_hit(traffic, setting, share, of_long)] = setting.roles.number
        return replace(traffic, refused=refused)

    return change


def moved_to_rare(share: float) -> Change:
    """Move this share of the rows to a category that two of 10,000 rows of the reference have."""

    def change(traffic: Traffic, setting: Setting) -> Traffic:
        values, counts = np.unique(
            setting.reference.columns[setting.roles.category], return_counts=True
        )
        rare = values[np.argmin(np.abs(counts - 2e-4 * counts.sum()))]
        return _moved(traffic, setting, share, rare)

    return change


def unseen(share: float) -> Change:
    """Move this share of the rows to a category that the reference never had."""

    def change(traffic: Traffic, setting: Setting) -> Traffic:
        return _moved(traffic, setting, share, setting.roles.unseen)

    return change


def swapped(traffic: Traffic, setting: Setting) -> Traffic:
    """Exchange two categories of the same values."""
    first, second = setting.roles.category, setting.roles.other
    assert second is not None
    columns = traffic.rows.columns
    return traffic.with_column(first, columns[second]).with_column(second, columns[first])


def busiest_gone(traffic: Traffic, setting: Setting) -> Traffic:
    """Leave out the requests of the reference's most frequent category."""
    name = setting.roles.category
    values, counts = np.unique(setting.reference.columns[name], return_counts=True)
    return traffic[traffic.rows.columns[name] != values[np.argmax(counts)]]


def shuffled(role: str) -> Change:
    """Exchange a column's values among near rows: it stays as it is and fits no other."""

    def change(traffic: Traffic, setting: Setting) -> Traffic:
        name = _column(setting.roles, role)
        values = traffic.rows.columns[name].copy()
        for start in range(0, len(values), _NEAR):
            values[start : start + _NEAR] = setting.random.permutation(
                values[start : start + _NEAR]
            )
        return traffic.with_column(name, values)

    return change


def rounded(traffic: Traffic, setting: Setting) -> Traffic:
    """Round the number to whole ones; of numbers that are whole, to tens."""
    name = setting.roles.number
    values = traffic.rows.columns[name]
    known = values[np.isfinite(values)]
    digits = -1 if np.array_equal(known, np.round(known)) else 0
    return traffic.with_column(name, np.round(values, digits))


def zeros(share: float) -> Change:
    """Let the number be 0 in this share of the rows."""

    def change(traffic: Traffic, setting: Setting) -> Traffic:
        name = setting.roles.number
        hit = _hit(traffic, setting, share, of_long=False)
        return traffic.with_column(name, np.where(hit, 0.0, traffic.rows.columns[name]))

    return change


def constant(traffic: Traffic, setting: Setting) -> Traffic:
    """Let the number always be the reference's median."""
    name = setting.roles.number
    median = float(np.nanmedian(setting.reference.columns[name]))
    return traffic.with_column(name, np.full(len(traffic), median))


def untimed(traffic: Traffic, _setting: Setting) -> Traffic:
    """Lose all event times."""
    return traffic.with_event_times(np.full(len(traffic), "NaT", "datetime64[us]"))


def hours_off(hours: int) -> Change:
    """Tell event times of another time zone."""

    def change(traffic: Traffic, _setting: Setting) -> Traffic:
        return traffic.with_event_times(traffic.rows.event_times + np.timedelta64(hours, "h"))

    return change


def repeated(traffic: Traffic, _setting: Setting) -> Traffic:
    """Send the first 200 rows again and again, as a stuck source does; the clock goes on."""
    places = np.arange(len(traffic)) % min(_REPEATED, len(traffic))
    again = traffic[places]
    lag = again.known - again.arrived
    return replace(
        again, arrived=traffic.arrived, known=traffic.arrived + lag,
        rows=replace(again.rows, event_times=traffic.rows.event_times),
    )  # fmt: skip


def _hit(traffic: Traffic, setting: Setting, share: float, of_long: bool) -> Mask:
    """Choose this share of the rows: of all, or of those whose number is large only."""
    draws = setting.random.random(len(traffic))
    if not of_long:
        return np.asarray(draws < share)
    name = setting.roles.number
    limit = np.nanquantile(setting.reference.columns[name], 1 - _LONG)
    return np.asarray((traffic.rows.columns[name] > limit) & (draws < share / _LONG))


def _moved(traffic: Traffic, setting: Setting, share: float, value: Any) -> Traffic:
    name = setting.roles.category
    hit = _hit(traffic, setting, share, of_long=False)
    values: NDArray[Any] = traffic.rows.columns[name].copy()
    values[hit] = value
    return traffic.with_column(name, values)


def _column(roles: Roles, role: str) -> str:
    name = {"number": roles.number, "category": roles.category, "event_time": roles.event_time}
    return name[role]


def blamed_names(roles: Roles, shift: Shift) -> frozenset[str]:
    """Return the columns of which one should be blamed."""
    return frozenset(_column(roles, role) for role in shift.blames)


def _missing(name: str, make: Callable[..., Change], *, nullable: bool) -> list[Shift]:
    return [
        Shift(
            f"{name}-{round(share * 100)}%{'-of-long' if of_long else ''}",
            make(share, of_long=of_long), (FAULT,), ("number",), nullable,
        )
        for share in (0.05, 0.3)
        for of_long in (False, True)
    ]  # fmt: skip


#: Rows as they were, which tells what is the shift's and what is theirs.
UNSHIFTED: Final = Shift("unshifted", lambda traffic, _setting: traffic)
_ALL: Final = (
    *(Shift(f"number-x{factor}", scaled_number(factor), INPUTS, ("number",))
      for factor in (1.1, 1.25, 1.6)),
    *(Shift(f"target-x{factor}", scaled_target(factor), (CONCEPT,))
      for factor in (1.05, 1.1, 1.25)),
    *_missing("nulls", nulls, nullable=True),
    *_missing("refused", refusals, nullable=False),
    Shift("rare-2%", moved_to_rare(0.02), INPUTS, ("category",)),
    Shift("rare-5%", moved_to_rare(0.05), INPUTS, ("category",)),
    Shift("unseen-1%", unseen(0.01), (FAULT,), ("category",)),
    Shift("unseen-10%", unseen(0.1), (FAULT,), ("category",)),
    Shift("swapped", swapped, INPUTS, ("category",), swaps=True),
    Shift("busiest-gone", busiest_gone, INPUTS, ("category",)),
    Shift("number-shuffled", shuffled("number"), INPUTS, ("number",)),
    Shift("category-shuffled", shuffled("category"), INPUTS, ("category",)),
    Shift("number-rounded", rounded, INPUTS, ("number",)),
    Shift("number-0-for-5%", zeros(0.05), INPUTS, ("number",)),
    Shift("number-constant", constant, INPUTS, ("number",)),
    Shift("times-missing", untimed, (FAULT,), ("event_time",)),
    *(Shift(f"times-{hours}h-off", hours_off(hours), (*INPUTS, FAULT), ("event_time",))
      for hours in (1, 3, 5)),
    Shift("200-rows-repeated", repeated, INPUTS),
)  # fmt: skip
#: By name.
SHIFTS: Final[Mapping[str, Shift]] = {shift.name: shift for shift in _ALL}
