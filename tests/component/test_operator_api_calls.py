"""Calls of the API server that are refused, and watches that expire or fall silent."""

import time
from collections.abc import Iterator

import pytest
from support.api_proxy import ApiProxy, api_proxy
from support.operator_process import OperatorProcess, eventually
from support.policy_namespace import PolicyNamespace

from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component

ERRORS = "taxi_operator_api_errors_total"
THROTTLED, UNAUTHORIZED = 429, 401
#: Calls a second of an operator with one policy that is refused everything: it retries with pauses.
MOST_CALLS = 5.0
_RATE_SECONDS = 2.0


@pytest.fixture
def proxy(world: PolicyNamespace) -> Iterator[ApiProxy]:
    """Return what stands between the operator and the API server."""
    with api_proxy(world.plane.api_server.url) as one:
        yield one
        world.kill_operators()


def is_looked_at(world: PolicyNamespace, name: str) -> bool:
    return bool(world.status(name).get("signals"))


def watch(world: PolicyNamespace, name: str) -> None:
    """Apply a policy that only watches."""
    world.apply_policy(name, mode="DryRun")


def test_calls_that_are_throttled_are_made_again_with_pauses(
    world: PolicyNamespace, proxy: ApiProxy
) -> None:
    operator = world.operator(api_url=proxy.url)
    world.say(drift=2)
    world.apply_policy()
    (job,) = eventually("a Job", world.jobs)

    before, begin = operator.metric(ERRORS), time.monotonic()
    proxy.refuses = THROTTLED

    def noticed() -> bool:
        # A rate needs time: two calls may be refused at the same moment.
        return operator.metric(ERRORS) >= before + 2 and time.monotonic() - begin >= _RATE_SECONDS

    eventually("it notices", noticed)
    assert proxy.refused <= MOST_CALLS * (time.monotonic() - begin)
    assert operator.is_well()
    world.write_report(job, RunResult.NOT_BETTER)
    proxy.refuses = 0

    eventually(
        "the story goes on", lambda: (world.status().get("run") or {}).get("state") == "Refused"
    )
    operator.reconcile()
    assert len(world.jobs()) == 1
    assert operator.is_well()


def test_watch_whose_version_is_too_old_begins_anew_with_a_list(
    world: PolicyNamespace, proxy: ApiProxy
) -> None:
    operator = world.operator(api_url=proxy.url)
    watch(world, "p")
    eventually("it is seen", lambda: is_looked_at(world, "p"))
    watches = proxy.watches

    proxy.expire_watches()
    watch(world, "late")

    eventually("the new policy is seen", lambda: is_looked_at(world, "late"))
    assert proxy.watches > watches
    operator.reconcile()
    assert operator.is_well()


@pytest.mark.soak
def test_watch_that_falls_silent_is_found_and_others_are_served_meanwhile(
    world: PolicyNamespace, proxy: ApiProxy
) -> None:
    operator = world.operator(api_url=proxy.url)
    watch(world, "p")
    eventually("it is seen", lambda: is_looked_at(world, "p"))

    proxy.silence_watches()
    watch(world, "late")

    operator.reconcile()
    eventually("the new policy is seen", lambda: is_looked_at(world, "late"), 80)
    assert operator.is_well()


def has_to_be_started_anew(operator: OperatorProcess) -> bool:
    return operator.process.poll() is not None or not operator.is_well()


def test_operator_whose_login_is_refused_asks_to_be_started_anew(
    world: PolicyNamespace, proxy: ApiProxy
) -> None:
    operator = world.operator(api_url=proxy.url)
    watch(world, "p")
    eventually("it is seen", lambda: is_looked_at(world, "p"))
    assert operator.is_well()

    proxy.refuses = UNAUTHORIZED
    # What has all that it needs from its watches asks nothing.
    proxy.cut_watches()
    eventually("it says that it is not well", lambda: has_to_be_started_anew(operator))
    operator.kill()

    proxy.refuses = 0
    again = world.operator(api_url=proxy.url)
    watch(world, "late")
    eventually("the next one is well", lambda: is_looked_at(world, "late"))
    assert again.is_well()
