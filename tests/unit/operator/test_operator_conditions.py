"""Conditions say what is, in words of their own."""

from taxi_operator.conditions import RETRAIN, Outcome, findings
from taxi_operator.statuses import Status


def test_suspended_policy_claims_no_breach() -> None:
    found = {one.kind: one for one in findings(Status(), Outcome(held="Suspended"))}

    assert (found[RETRAIN].status, found[RETRAIN].reason) == ("False", "Suspended")
    assert "breached" not in found[RETRAIN].message
