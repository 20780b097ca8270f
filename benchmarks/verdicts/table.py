"""The figures as Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from verdicts.goals import episodes_per_100k, goals
from verdicts.scenarios import Scenario

Figures = Mapping[str, Mapping[str, dict[str, Any]]]
Scenarios = Mapping[str, Scenario]


def tables(figures: Figures, scenarios: Scenarios) -> str:
    """Return tables of false alarms, of spans that changed, and of shifts.

    What a detector was not tried on is empty; its rate is that of the rows that it was.
    """
    arms = list(figures)

    def rows_of(some: list[Scenario], cell: Callable[[Mapping[str, Any]], str]) -> list[list[str]]:
        return [
            [_name(one), *(cell(of[one.name]) if one.name in of else "" for of in figures.values())]
            for one in some
        ]

    quiet, changed, shifted = _parted(scenarios)
    parts = []
    if quiet:
        rates = [
            _rate([of[one.name] for one in quiet if one.name in of]) for of in figures.values()
        ]
        rows = [*rows_of(quiet, _quiet), ["without events, in 100,000", *rates]]
        title = "quiet span: episodes (behind known events), share of time in alarm"
        parts.append(_table(title, arms, rows))
    if changed:
        title = "changed span: requests until kinds are named"
        parts.append(_table(title, arms, rows_of(changed, _changed)))
    if shifted:
        title = "shift: found, median and worst requests to the alarm"
        parts.append(_table(title, arms, rows_of(shifted, _shift)))
    return "\n\n".join([*parts, "`*`: held out; no design choice was made on these rows."])


def explained(measured: Mapping[str, dict[str, Any]], scenarios: Scenarios) -> str:
    """Return the table of kinds and blame of shifts, for a detector that names kinds."""
    _, _, shifted = _parted(scenarios)
    rows = [
        [_name(one), _counts(figures["kinds"]), _of(figures["right_kind"], figures),
         _counts(figures["blamed"]), _of(figures["right_column"], figures)]
        for one in shifted
        for figures in (measured[one.name],)
    ]  # fmt: skip
    return _table("shift", ["kinds", "right", "blamed first", "right among three"], rows)


def of_goals(measured: Mapping[str, dict[str, Any]], scenarios: Scenarios) -> str:
    """Return the table of goals."""
    rows = [
        [goal.name, goal.measured, "met" if goal.met else "missed"]
        for goal in goals(measured, scenarios)
    ]
    return _table("goal", ["measured", ""], rows)


def of_budgets(figures: Figures, scenarios: Scenarios) -> str:
    """Return the curve of budget against delay: one row for each budget."""
    quiet, changed, shifted = _parted(scenarios)
    rows = [
        [arm, _rate([measured[one.name] for one in quiet]),
         *(_changed(measured[one.name]) for one in changed),
         *(_shift(measured[one.name]) for one in shifted)]
        for arm, measured in figures.items()
    ]  # fmt: skip
    names = [one.name for one in (*changed, *shifted)]
    return _table("budget, rows", ["episodes in 100,000 quiet rows", *names], rows)


def _parted(scenarios: Scenarios) -> tuple[list[Scenario], list[Scenario], list[Scenario]]:
    whole = [one for one in scenarios.values() if one.shift is None]
    return (
        [one for one in whole if one.is_quiet],
        [one for one in whole if not one.is_quiet],
        [one for one in scenarios.values() if one.shift is not None],
    )


def _name(scenario: Scenario) -> str:
    return scenario.name + ("" if scenario.pair.frozen_on else " *")


def _quiet(measured: Mapping[str, Any]) -> str:
    known = sum(bool(one["event"]) for one in measured["episodes"])
    return f"{len(measured['episodes'])} ({known}), {measured['alarmed']:.0%}"


def _rate(measured: list[dict[str, Any]]) -> str:
    return f"{episodes_per_100k(measured):.1f}" if measured else ""


def _changed(measured: Mapping[str, Any]) -> str:
    if not measured["episodes"]:
        return "-"
    kinds = [f"{kind} {requests:,}" for kind, requests in measured["kinds"].items()]
    return ", ".join(kinds) or f"{measured['episodes'][0]['requests']:,}"


def _shift(measured: Mapping[str, Any]) -> str:
    reasons = {"already": "in alarm before", "chance": "by chance"}
    others = [f"{text} {measured[name]}" for name, text in reasons.items() if measured[name]]
    found = f"{measured['found']}/{measured['tries']}"
    if measured["found"]:
        found += f" {measured['median']:,}"
    if measured["worst"] is not None:
        found += f", {measured['worst']:,}"
    return f"{found} ({'; '.join(others)})" if others else found


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered)


def _of(count: int | None, measured: Mapping[str, Any]) -> str:
    return "" if count is None else f"{count}/{measured['found']}"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {title} | {' | '.join(heads)} |", f"|---{'|---' * len(heads)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
