"""What the story of the emergency claims, and what a person does in it."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from support.fake_kubectl import FakeKubectl

from taxi_domain.kube import COMPONENT_LABEL, INSTANCE_LABEL, TRAIN
from taxi_stories.client import Counts
from taxi_stories.emergency import EMERGENCY
from taxi_stories.hands import Hands, HandsError
from taxi_stories.release import Release
from taxi_stories.scenario import Snapshot
from taxi_stories.story import EXAMPLES

SPEC = {"target": {"deploymentName": "taxi-predictor"}}
BACK_AGAIN = {"action": "Rollback", "because": ["rollbackRequest"], "outcome": "RolledBack"}
MOVED = [BACK_AGAIN, {"action": "Fallback", "because": ["useless"]}]
PATCH = {"spec": {"template": {"metadata": {"annotations": {"version": "a"}}}}}
PRINTED = f"pods follow with: kubectl patch deployment NAME -p '{json.dumps(PATCH)}'\n"


def look(traffic: str, rmse: float, *versions: str, failed: int = 0) -> Snapshot:
    """Return a look at a story."""
    status = {"traffic": {"active": traffic}, "history": MOVED}
    return Snapshot(
        at=60.0, sent=5000, refused=0, window_rows=2000.0, drift=1.3, rmse=rmse, error=0.9,
        policy={"spec": SPEC, "status": status}, client=Counts(1000, failed, (), versions),
    )  # fmt: skip


WELL = look("Champion", 4.5, "good")
ERRS = look("Champion", 9.5, "good", "useless")
RESCUED = look("Fallback", 9.5, "simple")
BACK = look("Champion", 4.5, "good")
LOOKS = [WELL, ERRS, RESCUED, RESCUED, RESCUED, BACK, BACK, BACK]


def erring(rmse: float) -> list[Snapshot]:
    """Return looks at a story whose useless version has this error."""
    there = replace(RESCUED, rmse=rmse)
    return [WELL, replace(ERRS, rmse=rmse), there, there, there, BACK, BACK, BACK]


def broken(*snapshots: Snapshot) -> list[str]:
    return [sentence for sentence, held in EMERGENCY.claims(snapshots) if not held]


def test_a_story_that_goes_as_it_should_holds_all_claims_and_ends() -> None:
    assert broken(*LOOKS) == []
    assert EMERGENCY.is_over(LOOKS, False)
    assert not EMERGENCY.is_over(LOOKS[:-1], False)
    assert not EMERGENCY.is_over([*LOOKS, ERRS], False)


@pytest.mark.parametrize(
    ("looks", "problem"),
    [
        (erring(4.5), "the useless version erred"),
        (erring(7.9), "the useless version erred"),
        ([replace(ERRS, client=None), *LOOKS[1:5]], "the useless version erred"),
        ([WELL, look("Champion", 9.5, "good"), *LOOKS[2:]], "clients were answered by it"),
        ([WELL, ERRS, BACK], "answered by the fallback"),
        ([WELL, ERRS, look("Fallback", 9.5, "useless"), BACK], "answered by the fallback"),
        (LOOKS[:4], "the traffic returned"),
        ([*LOOKS[:5], look("Champion", 9.5, "useless")], "the champion of before answers again"),
        ([*LOOKS[:-1], look("Champion", 4.5, "good", failed=1)], "none failed"),
        ([replace(one, client=None) for one in LOOKS], "none failed"),
    ],
)
def test_each_claim_can_break(looks: list[Snapshot], problem: str) -> None:
    assert any(problem in sentence for sentence in broken(*looks))


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ([BACK_AGAIN], "the traffic moved to the fallback because of the error"),
        (
            [BACK_AGAIN, {"action": "Fallback", "because": ["championUnavailable"]}],
            "the traffic moved to the fallback because of the error",
        ),
        (
            [{**BACK_AGAIN, "outcome": "Failed"}, MOVED[1]],
            "the version of before was rolled back to",
        ),
    ],
)
def test_what_the_policy_did_has_to_be_in_its_history(
    history: list[dict[str, Any]], problem: str
) -> None:
    policy = {"spec": SPEC, "status": {"traffic": {"active": "Champion"}, "history": history}}

    assert broken(*LOOKS[:-1], replace(BACK, policy=policy)) == [problem]


def test_limit_of_the_claims_is_that_of_the_policy() -> None:
    policy = yaml.safe_load((EXAMPLES / "emergency.yaml").read_text())
    (signal,) = policy["spec"]["signals"]
    limit = float(signal["enter"]["value"])

    assert broken(*erring(limit + 0.1)) == []
    assert len(broken(*erring(limit - 0.1))) == 1


def test_the_error_may_be_seen_behind_the_move_but_not_behind_the_way_back() -> None:
    unseen = replace(ERRS, rmse=None)
    status = {**BACK.policy["status"], "run": {"state": "RolledBack"}}
    back = replace(BACK, policy={"spec": SPEC, "status": status})

    assert broken(WELL, unseen, *LOOKS[2:5], back, back, back) == []
    (problem,) = broken(*erring(7.9)[:5], replace(back, rmse=9.5), back, back, back)
    assert problem.startswith("the useless version erred")


def cluster(printed: str) -> FakeKubectl:
    """Return a cluster with the train CronJob, whose Jobs print this."""
    labels = {INSTANCE_LABEL: "taxi", COMPONENT_LABEL: TRAIN}
    pod = {"containers": [{"name": "train", "args": ["run"], "env": [], "image": "i"}]}
    cron_job: dict[str, Any] = {
        "kind": "CronJob", "metadata": {"name": "taxi-train", "labels": labels},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }  # fmt: skip
    return FakeKubectl("context", "ns", [cron_job], {"logs": printed})


def test_the_useless_version_is_forced_and_rolled_out_as_the_tool_says() -> None:
    kubectl, shown = cluster(PRINTED), list[str]()
    force, _ = EMERGENCY.by_hand

    assert force.when([WELL])
    assert not force.when([replace(WELL, client=None)])
    force.do(Hands(Release(kubectl), "emergency", shown.append), [WELL])

    ((container,),) = (
        one["spec"]["template"]["spec"]["containers"] for one in kubectl.applied
    )  # one Job of one container
    assert container["command"][:2] == ["sh", "-euc"]
    assert "promote $version --force" in container["command"][2]
    rolled = ("patch", "deployment", "taxi-predictor", "-p", json.dumps(PATCH))
    assert kubectl.asked[-1] == rolled
    assert any("promote" in line and "--force" in line for line in shown)


def test_the_row_that_the_client_sends_is_one_that_is_answered() -> None:
    first = EMERGENCY.bodies()[0].body

    assert 0 < float(str(first["trip_distance"])) < 100


def test_most_rides_wait_until_the_useless_version_answers() -> None:
    assert not EMERGENCY.spends_reserve([replace(WELL, client=None), WELL, WELL])
    assert EMERGENCY.spends_reserve([WELL, ERRS])
    assert EMERGENCY.spends_reserve([WELL, ERRS, RESCUED])


def test_the_version_of_before_comes_back_once_the_fallback_serves() -> None:
    kubectl = FakeKubectl("context", "ns")
    _, back = EMERGENCY.by_hand

    assert back.when([WELL, ERRS, RESCUED, RESCUED, RESCUED])
    assert not back.when([WELL, ERRS, RESCUED, RESCUED])
    back.do(Hands(Release(kubectl), "emergency", lambda _: None), [RESCUED])

    (command,) = kubectl.asked
    assert command[:3] == ("patch", "dp", "emergency")
    assert json.loads(command[-1])["spec"]["rollbackRequest"]


def test_a_tool_that_does_not_say_how_the_pods_follow_ends_the_story() -> None:
    hands = Hands(Release(cluster("alias champion: points at b")), "emergency", lambda _: None)

    with pytest.raises(HandsError, match="points at b"):
        hands.roll("taxi-predictor", hands.train("taxi-models promote a"))
