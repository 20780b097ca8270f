"""The figures as Markdown."""

from collections.abc import Mapping
from typing import Any

from verdicts.pairs import QUIET
from verdicts.scenarios import Scenario

Figures = Mapping[str, Mapping[str, dict[str, Any]]]


def tables(figures: Figures, scenarios: Mapping[str, Scenario]) -> str:
    """Return tables of false alarms, of spans that changed, and of shifts."""
    arms = list(figures)
    quiet = [one for one in scenarios.values() if one.shift is None and one.pair.role == QUIET]
    changed = [one for one in scenarios.values() if one.shift is None and one.pair.role != QUIET]
    shifted = [one for one in scenarios.values() if one.shift is not None]
    parts = []
    if quiet:
        rows = [[_name(one), *(_quiet(figures[arm][one.name]) for arm in arms)] for one in quiet]
        total = [_rate([figures[arm][one.name] for one in quiet]) for arm in arms]
        parts.append(_table("quiet span (episodes, of them behind events)", arms, rows))
        parts.append(_table("per 100,000 quiet rows", arms, [["without known events", *total]]))
    if changed:
        rows = [[_name(one), *(_changed(figures[arm][one.name]) for arm in arms)]
                for one in changed]  # fmt: skip
        parts.append(_table("changed span (requests to the first alarm, kind)", arms, rows))
    if shifted:
        rows = [[_name(one), *(_shift(figures[arm][one.name]) for arm in arms)]
                for one in shifted]  # fmt: skip
        parts.append(_table("shift (found, median and worst requests to alarm)", arms, rows))
    return "\n\n".join(parts)


def _name(scenario: Scenario) -> str:
    return scenario.name + ("" if scenario.pair.frozen_on else " *")


def _quiet(measured: dict[str, Any]) -> str:
    known = sum(bool(one["event"]) for one in measured["episodes"])
    return f"{len(measured['episodes'])} ({known})"


def _rate(measured: list[dict[str, Any]]) -> str:
    rows = sum(one["requests"] for one in measured)
    count = sum(not episode["event"] for one in measured for episode in one["episodes"])
    return f"{count / rows * 1e5:.1f} ({count} in {rows:,})"


def _changed(measured: dict[str, Any]) -> str:
    if not measured["episodes"]:
        return "-"
    first = measured["episodes"][0]
    return f"{first['requests']:,} {first['kind']}".strip()


def _shift(measured: dict[str, Any]) -> str:
    if not measured["found"]:
        return f"0/{measured['tries']}" + _already(measured)
    worst = "" if measured["worst"] is None else f", {measured['worst']:,}"
    return (
        f"{measured['found']}/{measured['tries']} {measured['median']:,}{worst}{_already(measured)}"
    )


def _already(measured: dict[str, Any]) -> str:
    return f" (in alarm before: {measured['already']})" if measured["already"] else ""


def _table(title: str, arms: list[str], rows: list[list[str]]) -> str:
    head = [f"| {title} | {' | '.join(arms)} |", f"|---{'|---' * len(arms)}|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])
