"""`taxi-policy replay`: what a policy would have done on the history of Prometheus."""

import asyncio
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from taxi_domain.errors import FieldError
from taxi_operator.cli.connections import Asked, prometheus_of
from taxi_operator.cli.files import name_of, namespace_of, policy_in
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
    moment_of,
    print_json,
)
from taxi_operator.cli.room import require_room
from taxi_operator.replay.fold import Fold
from taxi_operator.replay.grid import Looks, approximated
from taxi_operator.replay.history import Histories, fetch
from taxi_operator.replay.story import Story, document_of, lines, summary, told
from taxi_operator.replay.world import Assumed, Verdict
from taxi_operator.spec.durations import seconds_of
from taxi_operator.spec.policy import Policy, policy_of
from taxi_operator.spec.signals import Signal
from taxi_operator.times import text_of

Document = dict[str, Any]

#: Looks of one replay: a year of 30 seconds.
_MAX_LOOKS: Final = 1_100_000
_MIN_STEP: Final = 1.0

Outcome = Annotated[Verdict, typer.Option(help="How every run ends.")]
RunSeconds = Annotated[float, typer.Option(min=1, max=86_400, help="How long a train Job takes.")]
RolloutSeconds = Annotated[
    float, typer.Option(min=0, max=600, help="How long a promoted version's pods take.")
]


@dataclass(frozen=True, slots=True)
class Given:
    """A policy of a file.

    Attributes:
        file: The file.
        name: The policy's name.
        policy: Its spec.
    """

    file: Path
    name: str
    policy: Policy


def replay(  # noqa: PLR0913, PLR0917 - one for each option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML with one policy.")],
    begin: From,
    end: To = "now",
    step: Step = "",
    outcome: Outcome = Verdict.BETTER,
    run_seconds: RunSeconds = 600.0,
    rollout_seconds: RolloutSeconds = 60.0,
    namespace: Namespace = "",
    output: As = Output.TEXT,
    prometheus: Prometheus = "",
    credentials: Credentials = None,
    tenant: Tenant = "",
    tenant_header: TenantHeader = "",
    timeout: Timeout = 30.0,
) -> None:
    """Tell what a policy would have done on Prometheus' history: the fold of the operator's plan.

    Pods are assumed to be ready, train Jobs to end as it is said. Signals are those that were
    measured: a simulated promotion, or the fallback, changes no history.
    """
    with errors():
        require_room()
        given = read_policy(file, namespace)
        looks = looks_of(begin, end, step, given.policy.interval_seconds)
        assumed = Assumed(outcome, run_seconds, rollout_seconds)
        asked = Asked(prometheus, credentials, tenant, tenant_header, timeout)
        histories = asyncio.run(fetched(asked, given.policy.signals, looks))
        story = told(Fold(given.policy, looks, histories, assumed), looks.every / 1000)
    notes = list(assumptions(assumed, looks, given.policy.signals))
    if output is Output.JSON:
        print_json({"policy": given.name, "assumed": notes, **document_of(story)})
        return
    _print(given.name, notes, story)


def read_policy(file: Path, namespace: str) -> Given:
    """Read the policy of a file.

    Raises:
        TaxiError: there is none, or it cannot be used.
    """
    found = policy_in(file)
    policy = policy_of(found.get("spec") or {}, namespace_of(found, namespace))
    return Given(file, name_of(found), policy)


def looks_of(begin: str, end: str, step: str, interval: float) -> Looks:
    """Return when a policy is looked at.

    Args:
        begin: The option.
        end: The option.
        step: The option; empty: the interval.
        interval: Of the policy, seconds.

    Raises:
        FieldError: they cannot be used.
    """
    now = time.time()
    first, last = moment_of(begin, "--from", now), moment_of(end, "--to", now)
    every = seconds_of(step, "--step") if step else interval
    if every < _MIN_STEP:
        raise FieldError("--step", "is too short", "give 1s or more")
    if last <= first:
        raise FieldError("--from", f"is not before --to ({text_of(last)})", "give an earlier time")
    count = int((last - first) / every) + 1
    if count > _MAX_LOOKS:
        raise FieldError(
            "--from", f"makes {count:,} looks", f"give a span with at most {_MAX_LOOKS:,} steps"
        )
    return Looks(round(first * 1000), round(every * 1000), count)


async def fetched(
    asked: Asked, signals: Iterable[Signal], looks: Looks, *more: tuple[str, float]
) -> Histories:
    """Return the history of signals, with progress on a terminal."""

    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\rasking Prometheus: {done} of {of}", end="", file=sys.stderr)

    async with prometheus_of(asked) as prometheus:
        found = await fetch(prometheus, signals, looks, more, progress)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return found


def assumptions(assumed: Assumed, looks: Looks, signals: Iterable[Signal]) -> Iterator[str]:
    """Yield what a replay takes for granted."""
    yield (
        f"{looks.count} looks, every {looks.every / 1000:g} s, {text_of(looks.begin / 1000)} to "
        f"{text_of(looks.last / 1000)}"
    )
    yield "pods of champion and fallback are ready all the time, and a switch takes a moment"
    yield (
        f"every train Job takes {assumed.run_seconds:g} s and ends {assumed.verdict}, a rollout "
        f"takes {assumed.rollout_seconds:g} s; a candidate that waits for approval gets it"
    )
    yield "an observation takes its time and a Job, and finds nothing against the candidate"
    yield "what was measured stays: no promotion and no fallback changes a signal but by its reset"
    for name, (theirs, ours) in approximated(signals, looks.every).items():
        yield f"{name}: samples are {ours:g} s apart, and {theirs:g} s for the operator"


def _print(name: str, notes: list[str], story: Story) -> None:
    typer.echo(name)
    for note in notes:
        typer.echo(f"  assumed: {note}")
    for line in lines(story):
        typer.echo(line)
    for word, value in summary(story).items():
        typer.echo(f"{word}: {value}")
