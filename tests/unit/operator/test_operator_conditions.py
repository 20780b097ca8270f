"""Conditions say what is, in words of their own."""

import pytest

from taxi_operator.conditions import BUDGET, DRIFT, FALLBACK, RETRAIN, Finding, Outcome, findings
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.memory.status import Status


def test_suspended_policy_claims_no_breach() -> None:
    found = {one.kind: one for one in findings(Status(), Outcome(holds=["Suspended"]))}

    assert (found[RETRAIN].status, found[RETRAIN].reason) == ("False", "Suspended")
    assert "breached" not in found[RETRAIN].message


def found_by_kind(status: Status, outcome: Outcome) -> dict[str, Finding]:
    return {one.kind: one for one in findings(status, outcome)}


def test_each_rule_tells_its_own_reason() -> None:
    found = found_by_kind(Status(), Outcome(holds=["FallbackNotReady", "Cooldown"]))

    assert found[RETRAIN].reason == "Cooldown"
    assert found[FALLBACK].reason == "FallbackNotReady"


def test_budget_that_is_used_up_is_told_also_while_nothing_is_breached() -> None:
    for used, status in ((3, "False"), (4, "True"), (5, "True")):
        budget = {"runsInWindow": used, "maxRuns": 4}
        assert found_by_kind(Status(budget=budget), Outcome())[BUDGET].status == status


def test_one_healthy_signal_does_not_speak_for_a_silent_one() -> None:
    healthy = Reading("error", SignalState.HEALTHY)
    for state in (SignalState.NO_DATA, SignalState.INSUFFICIENT, SignalState.UNKNOWN):
        silent = Reading("drift", state, reason="says nothing")
        found = found_by_kind(Status(), Outcome(readings=[healthy, silent]))[DRIFT]
        assert (found.status, found.reason) == ("Unknown", str(state))
        assert found.message == "drift: says nothing"

        breached = Reading("error", SignalState.BREACHED, breached=True)
        found = found_by_kind(Status(), Outcome(readings=[breached, silent]))[DRIFT]
        assert found.status == "True"


@pytest.mark.parametrize(
    ("unready", "found"),
    [
        (Traffic.CHAMPION, ("True", "ChampionNotReady")),
        (Traffic.FALLBACK, ("False", "FallbackNotReady")),
    ],
)
def test_traffic_that_stays_away_is_told_from_where_it_is(
    unready: Traffic, found: tuple[str, str]
) -> None:
    for swapping in (None, 0.0):
        status = Status(traffic=unready, traffic_since=swapping)
        shown = {one.kind: one for one in findings(status, Outcome(unready=unready))}
        assert (shown[FALLBACK].status, shown[FALLBACK].reason) == found

    # A decision of the same reconcile moved it.
    (other,) = set(Traffic) - {unready}
    shown = {one.kind: one for one in findings(Status(traffic=other), Outcome(unready=unready))}
    assert shown[FALLBACK].reason == f"{other}Serving"
