"""Conditions say what is, in words of their own."""

import pytest

from taxi_operator.conditions import FALLBACK, RETRAIN, Outcome, findings
from taxi_operator.core.decisions import Traffic
from taxi_operator.memory.status import Status


def test_suspended_policy_claims_no_breach() -> None:
    found = {one.kind: one for one in findings(Status(), Outcome(held="Suspended"))}

    assert (found[RETRAIN].status, found[RETRAIN].reason) == ("False", "Suspended")
    assert "breached" not in found[RETRAIN].message


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
