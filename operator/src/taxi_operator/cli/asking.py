"""Asking a policy for something by hand: a field of its spec, changed as it was read."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import typer

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.cluster import Cluster, PolicyChangedError
from taxi_operator.cli.audit import note_change
from taxi_operator.cli.connections import cluster_of, settings_of
from taxi_operator.spec.orders import MAX_REQUEST
from taxi_runtime import process

Document = dict[str, Any]

#: From a policy as it is to the fields of its spec that change; None removes one.
Change = Callable[[Document, float], Mapping[str, Any]]
#: Tells whether what was asked for was taken up, from the policy as it is.
TakenUp = Callable[[Document], bool]

_TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things are waited for, seconds.

    Attributes:
        pause: Shortest mean pause between two tries to change a policy.
        look: Between two looks whether it was taken up.
        longest: Until it is given up. An edit wakes the operator.
    """

    pause: float = 0.3
    look: float = 1.0
    longest: float = 120.0


_PACE: Final = Pace()


def user_of(by: str) -> str:
    """Return who asks, as one word.

    >>> user_of("Ada Lovelace")
    'Ada-Lovelace'
    """
    name = process.user_of(by)
    return "".join(one if one.isalnum() or one in "-_.@" else "-" for one in name)


def word_of(by: str, now: float) -> str:
    """Return a new word for a request: the time and who asks.

    >>> word_of("ada", 1_760_000_000.5)
    '20251009T085320.500Z-ada'
    """
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    text = at.replace("+00:00", "Z").replace("-", "").replace(":", "")
    return f"{text}-{user_of(by)}"[:MAX_REQUEST]


def ask(
    namespace: str, name: str, change: Change, taken_up: Callable[[Document], TakenUp] | None
) -> Document:
    """Change a policy; return it as it is then, or once that was taken up.

    Args:
        namespace: Where it is; empty: as the environment says.
        name: Its name.
        change: From the policy, and the API server's time, to what changes.
        taken_up: From the changed policy to what tells that it was taken up; None waits for
            nothing.

    Raises:
        TaxiError: there is no such policy, or it refuses, or it is not taken up in time.
    """
    return asyncio.run(_asked(namespace, name, change, taken_up))


async def _asked(
    namespace: str, name: str, change: Change, taken_up: Callable[[Document], TakenUp] | None
) -> Document:
    settings = settings_of(namespace)
    async with cluster_of(settings) as cluster:
        before: Document = {}
        changed = await changed_policy(cluster, name, _remembered(change, before))
        await note_change(settings, changed, before)
        if taken_up is None:
            return changed
        return await followed(cluster, name, taken_up(changed))


def _remembered(change: Change, before: Document) -> Change:
    """Return a change that leaves in `before` what the fields were that it changes."""

    def changing(policy: Document, now: float) -> Mapping[str, Any]:
        fields = change(policy, now)
        before.clear()
        before.update({name: policy["spec"].get(name) for name in fields})
        return fields

    return changing


async def changed_policy(
    cluster: Cluster, name: str, change: Change, pace: Pace = _PACE
) -> Document:
    """Change a policy as it was read; the operator writes its status meanwhile, so try again."""
    for number in range(_TRIES):
        policy = await _policy(cluster, name)
        fields = change(policy, cluster.clock())
        try:
            found = await cluster.change_policy(policy, fields)
        except PolicyChangedError:
            if number == _TRIES - 1:
                raise
            await asyncio.sleep(pace.pause * random.uniform(0.5, 1.5) * (number + 1))
            continue
        _require(found, fields)
        return found
    raise AssertionError("the last try ends it")


def _require(found: Document, fields: Mapping[str, Any]) -> None:
    """Check that a policy has what was set: an API server drops fields that it does not know."""
    lost = [
        name for name, value in fields.items() if value is not None and name not in found["spec"]
    ]
    if lost:
        raise TaxiError(
            f"spec.{lost[0]}: is not known to the cluster's resource; upgrade the chart, and its "
            "CustomResourceDefinition with it"
        )


async def followed(cluster: Cluster, name: str, taken_up: TakenUp, pace: Pace = _PACE) -> Document:
    """Look at a policy until it was taken up; return it then."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + pace.longest
    while True:
        policy = await _policy(cluster, name)
        if taken_up(policy):
            return policy
        if loop.time() > deadline:
            raise TaxiError(
                f"{name}: was not taken up within {pace.longest:.0f} s; {_ready_text(policy)}"
            )
        await asyncio.sleep(pace.look)


async def _policy(cluster: Cluster, name: str) -> Document:
    policy = await cluster.policy(name)
    if policy is None:
        raise TaxiError(f"{name}: there is no such policy; kubectl get dp lists them")
    return policy


def status_of(policy: Document) -> Document:
    """Return what a policy's status has, empty without one."""
    found = policy.get("status")
    return found if isinstance(found, dict) else {}


def part_of(policy: Document, name: str) -> Document:
    """Return an object of a policy's status, empty without one."""
    found = status_of(policy).get(name)
    return found if isinstance(found, dict) else {}


def _ready_text(policy: Document) -> str:
    for one in status_of(policy).get("conditions") or ():
        if one.get("type") == "Ready":
            return f"Ready is {one.get('status')}: {one.get('reason')} {one.get('message', '')}"
    return "no operator has looked at it"


def was_looked_at(policy: Document) -> bool:
    """Tell whether the operator has seen the present spec."""
    seen = status_of(policy).get("observedGeneration") or 0
    return bool(seen >= policy["metadata"]["generation"])


def tell(*lines: str) -> None:
    """Print lines that are not empty."""
    for line in filter(None, lines):
        typer.echo(line)
