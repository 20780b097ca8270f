"""`taxi-policy compare`: two policies on the same history, side by side."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from taxi_operator.cli.connections import Asked
from taxi_operator.cli.options import (
    As,
    Credentials,
    From,
    Namespace,
    Output,
    Prometheus,
    Step,
    Tenant,
    TenantHeader,
    Timeout,
    To,
    errors,
    print_json,
)
from taxi_operator.cli.replay import (
    Given,
    Outcome,
    RolloutSeconds,
    RunSeconds,
    assumptions,
    fetched,
    looks_of,
    read_policy,
)
from taxi_operator.cli.room import require_room
from taxi_operator.replay.comparison import Answer, Row, compared
from taxi_operator.replay.grid import Looks
from taxi_operator.replay.history import Histories
from taxi_operator.replay.world import Assumed, Verdict
from taxi_operator.spec.signals import Signal

Document = dict[str, Any]

#: Longest age of a sample of the error, seconds.
_LOOKBACK: Final = 300.0
_ERROR_HELP: Final = "Query of the champion's error, with one series."
_FALLBACK_HELP: Final = "Query of the fallback's error; without it the time on it has none."


@dataclass(frozen=True, slots=True)
class _Side:
    given: Given
    row: Row


def compare(  # noqa: PLR0913, PLR0917 - one for each option
    first: Annotated[Path, typer.Argument(metavar="A.yaml", help="YAML with one policy.")],
    second: Annotated[Path, typer.Argument(metavar="B.yaml", help="YAML with another.")],
    begin: From,
    end: To = "now",
    step: Step = "",
    outcome: Outcome = Verdict.BETTER,
    run_seconds: RunSeconds = 600.0,
    rollout_seconds: RolloutSeconds = 60.0,
    error_promql: Annotated[str, typer.Option("--error-promql", help=_ERROR_HELP)] = "",
    fallback_error_promql: Annotated[
        str, typer.Option("--fallback-error-promql", help=_FALLBACK_HELP)
    ] = "",
    namespace: Namespace = "",
    output: As = Output.TEXT,
    prometheus: Prometheus = "",
    credentials: Credentials = None,
    tenant: Tenant = "",
    tenant_header: TenantHeader = "",
    timeout: Timeout = 30.0,
) -> None:
    """Replay two policies on one history: runs, moves, time harmed, time on the fallback, error.

    Harmed is the time in which a signal of either policy was breached while the champion answered.
    """
    with errors():
        require_room()
        given = [read_policy(file, namespace) for file in (first, second)]
        interval = min(one.policy.interval_seconds for one in given)
        looks = looks_of(begin, end, step, interval)
        assumed = Assumed(outcome, run_seconds, rollout_seconds)
        signals = [signal for one in given for signal in one.policy.signals]
        asked = Asked(prometheus, credentials, tenant, tenant_header, timeout)
        queries = [one for one in (error_promql, fallback_error_promql) if one]
        histories = asyncio.run(
            fetched(asked, signals, looks, *((one, _LOOKBACK) for one in queries))
        )
        answer = Answer(error_promql, fallback_error_promql, _LOOKBACK)
        sides = _sides(given, looks, histories, assumed, answer)
    notes = list(assumptions(assumed, looks, signals))
    if output is Output.JSON:
        print_json({"assumed": notes, "policies": [_document(one) for one in sides]})
        return
    for note in notes:
        typer.echo(f"assumed: {note}")
    for line in _table(sides):
        typer.echo(line)


def _sides(
    given: Sequence[Given], looks: Looks, histories: Histories, assumed: Assumed, answer: Answer
) -> list[_Side]:
    signals: list[Signal] = []
    for one in given:
        signals += [signal for signal in one.policy.signals if signal not in signals]
    rows = compared([one.policy for one in given], signals, looks, histories, assumed, answer)
    return [_Side(one, row) for one, row in zip(given, rows, strict=True)]


def _document(one: _Side) -> Document:
    return {"file": str(one.given.file), "policy": one.given.name, **one.row.document()}


def _table(sides: Sequence[_Side]) -> list[str]:
    names = [f"{one.given.file.name} ({one.given.name})" for one in sides]
    columns = [one.row.document() for one in sides]
    heads = ["", *names]
    cells = [
        [word, *("-" if column[word] is None else str(column[word]) for column in columns)]
        for word in columns[0]
    ]
    widths = [max(len(row[place]) for row in [heads, *cells]) for place in range(len(heads))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in [heads, *cells]
    ]
