"""What the story of drift without damage claims, and when a person lets the policy act."""

import json
from dataclasses import replace
from typing import Any

import pytest
from support.fake_kubectl import FakeKubectl

from taxi_stories.hands import Hands
from taxi_stories.harmless import HARMLESS
from taxi_stories.release import Release
from taxi_stories.scenario import Snapshot

DRY = {"spec": {"mode": "DryRun"}, "status": {"decision": {"action": "DryRunRetrain"}}}
REFUSED: dict[str, Any] = {
    "spec": {"mode": "Enforce"},
    "status": {
        "decision": {"action": "Retrain"},
        "run": {"state": "Refused"},
        "candidate": {
            "state": "Refused", "verdict": "NotBetter", "candidateRmse": "4.46",
            "championRmse": "4.52",
        },
    },
}  # fmt: skip
TOLD = Snapshot(
    at=60.0, sent=HARMLESS.rows, refused=6, window_rows=2000.0, drift=1.3, rmse=4.5, error=0.6,
    policy=DRY,
)  # fmt: skip
ENDED = replace(TOLD, policy=REFUSED)
LOOKS = [TOLD] * 3 + [ENDED]


def broken(*snapshots: Snapshot) -> list[str]:
    return [sentence for sentence, held in HARMLESS.claims(snapshots) if not held]


def test_a_story_that_goes_as_it_should_holds_all_claims_and_ends() -> None:
    assert broken(*LOOKS) == []
    assert HARMLESS.is_over(LOOKS, True)
    assert not HARMLESS.is_over(LOOKS[:-1], True)


def refused(**changes: Any) -> dict[str, Any]:
    return {**REFUSED, "status": {**REFUSED["status"], **changes}}


@pytest.mark.parametrize(
    ("looks", "problem"),
    [
        ([*LOOKS[:3], replace(ENDED, sent=10)], "rides were sent"),
        ([*LOOKS[:3], replace(ENDED, refused=7)], "only the impossible ones were refused"),
        ([replace(one, drift=0.9) for one in LOOKS], "the inputs gave the alarm"),
        ([replace(one, error=1.0) for one in LOOKS], "the error gave none"),
        ([replace(one, drift=None, error=None) for one in LOOKS], "the inputs gave the alarm"),
        ([ENDED], "the dry run said that it would retrain"),
        (
            [replace(TOLD, policy={**DRY, "status": REFUSED["status"]}), *LOOKS],
            "and started nothing",
        ),
        (LOOKS[:3], "once it was let, the policy retrained"),
        (
            [*LOOKS, replace(TOLD, policy=refused(candidate={"verdict": "TooFewLabels"}))],
            "was refused as not better",
        ),
        (
            [*LOOKS, replace(TOLD, policy=refused(candidate={"state": "Promoted"}))],
            "nothing was promoted",
        ),
    ],
)
def test_each_claim_can_break(looks: list[Snapshot], problem: str) -> None:
    assert any(problem in sentence for sentence in broken(*looks))


def test_stream_has_the_impossible_rides() -> None:
    distances = [float(str(row.body["trip_distance"])) for row in HARMLESS.bodies()]

    assert len(distances) == HARMLESS.rows
    assert sum(one > 100 for one in distances) == 6


def test_the_policy_is_let_act_once_it_has_told_and_all_labels_are_there() -> None:
    (deed,) = HARMLESS.by_hand
    untold = replace(TOLD, policy={"spec": {"mode": "DryRun"}})

    assert deed.when([TOLD] * 3)
    assert not deed.when([TOLD] * 2)
    assert not deed.when([untold] * 3)
    assert not deed.when([replace(TOLD, sent=HARMLESS.rows - 1)] * 5)

    kubectl = FakeKubectl("context", "ns")
    deed.do(Hands(Release(kubectl), HARMLESS.name, lambda _: None), [TOLD])
    (command,) = kubectl.asked
    assert command[:3] == ("patch", "dp", "harmless")
    assert json.loads(command[-1]) == {"spec": {"mode": "Enforce"}}
