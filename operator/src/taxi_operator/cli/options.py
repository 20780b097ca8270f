"""What the commands share: options, and how errors and results leave."""

import json
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from taxi_domain.errors import FieldError
from taxi_operator.adapters.cluster import PolicyChangedError
from taxi_operator.spec.durations import seconds_of
from taxi_operator.times import text_of
from taxi_runtime.process import tool

EXIT_CONFLICT: Final = 3


class Output(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


As = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the policy.")]
Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", help="Where policies are; TAXI_OPERATOR_NAMESPACE else."),
]
Prometheus = Annotated[
    str,
    typer.Option("--prometheus", help="Address of Prometheus; TAXI_OPERATOR_PROMETHEUS_URL else."),
]
Credentials = Annotated[
    Path | None,
    typer.Option(help="Folder with files token, or username and password, and ca.crt."),
]
Tenant = Annotated[str, typer.Option(help="Tenant that is asked for.")]
TenantHeader = Annotated[str, typer.Option(help="Header that names it; X-Scope-OrgID else.")]
Timeout = Annotated[float, typer.Option(min=1, max=300, help="Of one query, seconds.")]
From = Annotated[
    str, typer.Option("--from", help="Begin: RFC 3339, or how long before now, as 720h.")
]
To = Annotated[str, typer.Option("--to", help="End: RFC 3339, how long before now, or now.")]
Step = Annotated[str, typer.Option(help="Time between two looks; the policy's interval else.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the operator took it up.")]
By = Annotated[str, typer.Option(help="Who asks, for the history; the user's name else.")]


def errors() -> AbstractContextManager[None]:
    """Turn errors that a user can act on into one line and an exit code."""
    return tool({PolicyChangedError: EXIT_CONFLICT})


def print_json(found: Any) -> None:
    """Print what was found as JSON."""
    typer.echo(json.dumps(found, indent=1, allow_nan=False))


def moment_of(text: str, option: str, now: float) -> float:
    """Return the time that an option says, seconds since the epoch.

    Args:
        text: An RFC 3339 time (UTC without a zone), a duration before now, or `now`.
        option: Its name, for the error.
        now: Present time.

    Raises:
        FieldError: it is none of these.
    """
    if text == "now":
        return now
    with suppress(FieldError):
        return now - seconds_of(text, option)
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    raise FieldError(option, f"{text!r:.40} is no time", f"give it as {text_of(now)}, 720h or now")
