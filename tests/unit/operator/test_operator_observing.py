"""Steps of an observation where the simulated world does not lead."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from taxi_domain.kube import ATTEMPT_LABEL, DECISION_LABEL, OBSERVATION_LABEL, POLICY_UID_LABEL
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_operator.core.jobs import PolicyKey, number_of
from taxi_operator.core.observation_jobs import Look, observation_id, observation_job
from taxi_operator.memory.looks import Looks
from taxi_operator.memory.obligations import (
    PROMOTION_ANNOTATION,
    OpenPromotion,
    promotion_of,
    promotion_on,
)
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.effects import AnnotateService, MoveAlias, SetState
from taxi_operator.plan.observing import next_look
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.promotion import carried_on
from taxi_operator.plan.seen import NOTHING_DONE, SeenRun
from taxi_operator.spec.ownership import Target
from taxi_operator.spec.policy import Observation, policy_of
from taxi_store.registry.entries import AliasEntry
from taxi_store.registry.runs import RunEntry

NOW = 1_760_000_000.0
KEY = PolicyKey("p", "0a1b2c3d-1111-2222-3333-444455556666")
POLICY = policy_of(
    {
        "target": {"deploymentName": "p", "activeServiceName": "s"},
        "prometheus": {"url": "http://p"},
        "signals": [],
        "retrain": {"jobFrom": {"cronJobName": "train"}, "activeDeadlineSeconds": 300},
    }
)
SETTINGS = Observation(3600, 500, "0.95")
RUN = Run(
    7, 1, RunState.OBSERVING, "job", NOW - 9000, candidate="v2", champion="v1", model="m",
    deployment="p", observation=SETTINGS, looks=Looks(NOW - 3600, NOW, 1, "look"),
)  # fmt: skip
ALIAS = AliasEntry("m", Alias.CHAMPION, "v2", "v1", 5, datetime.now(UTC), "t")
TEMPLATE = {"spec": {"template": {"spec": {"containers": [{"name": "train", "image": "i"}]}}}}
CRON_JOB: dict[str, Any] = {"metadata": {"name": "train"}, "spec": {"jobTemplate": TEMPLATE}}
DEPLOYMENT: dict[str, Any] = {"metadata": {"generation": 1}, "spec": {}}


def report(result: RunResult = RunResult.WORSE, **fields: Any) -> RunEntry:
    ended = datetime.fromtimestamp(NOW - 60, UTC)
    found = RunEntry("r", "observe", result, "said so", None, "v2", ended, ended)
    return replace(found, **fields)


def step(seen: SeenRun, run: Run = RUN) -> Plan:
    status = Status(number=7, run=run, candidate={"version": "v2", "state": "Observing"})
    return next_look(POLICY, KEY, status, replace(seen, alias=seen.alias or ALIAS), NOTHING_DONE)


def run_of(plan: Plan) -> Run:
    assert plan.memory.run is not None
    return plan.memory.run


def test_worse_is_written_down_before_anything_moves() -> None:
    plan = step(SeenRun(NOW, report=report(), deployment=DEPLOYMENT))

    run = run_of(plan)
    assert (run.state, run.candidate, run.champion) == (RunState.ROLLING_BACK, "v2", "v1")
    assert plan.first == ()
    assert [type(one) for one in plan.then[:2]] == [AnnotateService, MoveAlias]
    assert plan.then[1] == MoveAlias("m", to="v1", expected="v2")


@pytest.mark.parametrize(
    ("report", "lost", "why"),
    [
        (report(finished_at=datetime.fromtimestamp(NOW - 90_000, UTC)), "", "25 h old"),
        (report(champion="v9"), "", "is about v9"),
        (report(), "v1 is gone", "v1 is gone"),
    ],
)
def test_verdict_that_cannot_be_carried_out_ends_the_observation(
    report: RunEntry, lost: str, why: str
) -> None:
    plan = step(SeenRun(NOW, report=report, deployment=DEPLOYMENT, lost=lost))

    assert run_of(plan).state is RunState.PROMOTED
    assert why in run_of(plan).message
    assert (plan.first, plan.then) == ((), ())
    assert plan.note is not None
    assert (plan.note.reason, plan.note.warning) == ("PromotionNotObserved", True)


@pytest.mark.parametrize(
    "seen",
    [
        SeenRun(NOW, report=report()),
        SeenRun(NOW, report=report(), deployment={**DEPLOYMENT, "spec": {"paused": True}}),
        SeenRun(
            NOW, report=report(), deployment=DEPLOYMENT,
            promotion=OpenPromotion("q", "uid", "s", "m", "p", "v9", "v8", 1, 1, "job", NOW),
        ),
    ],
    ids=["no Deployment", "paused", "another promotion"],
)  # fmt: skip
def test_rollback_waits_for_what_could_not_roll(seen: SeenRun) -> None:
    plan = step(seen)

    assert plan.problem is not None
    assert run_of(plan) == RUN


def test_clock_that_was_set_back_lengthens_no_wait() -> None:
    waiting = replace(RUN, looks=Looks(NOW - 60, NOW + 86_400))

    plan = step(SeenRun(NOW), waiting)

    assert run_of(plan).looks == Looks(NOW - 60, NOW + 3600)


@pytest.mark.parametrize(
    ("days", "number", "state"),
    [
        (6.9, 1, RunState.OBSERVING),
        (7.0, 1, RunState.PROMOTED),
        (1.0, 4, RunState.OBSERVING),
        (1.0, 5, RunState.PROMOTED),
    ],
)
def test_looks_that_compare_nothing_are_limited(days: float, number: int, state: RunState) -> None:
    looks = Looks(NOW - days * 86_400, NOW, number, "look")

    plan = step(SeenRun(NOW, report=report(RunResult.TOO_FEW_LABELS)), replace(RUN, looks=looks))

    assert run_of(plan).state is state
    if state is RunState.OBSERVING:
        assert run_of(plan).looks == Looks(looks.since, NOW + 3600, number + 1)


def test_job_that_cannot_be_made_is_waited_for_no_longer_than_eight_days() -> None:
    for days, state in ((7.9, RunState.OBSERVING), (8.1, RunState.PROMOTED)):
        old = replace(RUN, looks=Looks(NOW - days * 86_400, NOW - 60))

        assert run_of(step(SeenRun(NOW, cron_job=CRON_JOB), old)).state is state


def test_job_that_never_ends_is_waited_for_no_longer_than_eight_days() -> None:
    job = {"metadata": {"name": "look"}, "status": {}}
    for days, state in ((7.9, RunState.OBSERVING), (8.1, RunState.PROMOTED)):
        old = replace(RUN, looks=Looks(NOW - days * 86_400, NOW, 1, "look"))

        assert run_of(step(SeenRun(NOW, job=job), old)).state is state


def test_job_of_a_look_is_no_attempt_of_a_run() -> None:
    job = observation_job(CRON_JOB, KEY, Look(7, 2, "v2", "v1", NOW), SETTINGS, 300)

    labels = job["metadata"]["labels"]
    assert labels.keys().isdisjoint({POLICY_UID_LABEL, DECISION_LABEL, ATTEMPT_LABEL})
    assert labels[OBSERVATION_LABEL] == "7"
    assert job["metadata"]["ownerReferences"][0]["uid"] == KEY.uid
    assert job["spec"]["activeDeadlineSeconds"] == 300
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (identity,) = [one["value"] for one in container["env"]]
    assert identity == observation_id(KEY.uid, 7, 2)
    assert number_of(identity, KEY) is None


ROLLING_BACK = replace(
    RUN, state=RunState.ROLLING_BACK, promoting_since=NOW - 10, alias_revision=5, message="worse"
)
TARGET = Target("s", "m", "p")


def test_service_remembers_a_rollback_as_the_status_does() -> None:
    promotion = promotion_of(ROLLING_BACK, KEY, TARGET, NOW)
    assert promotion is not None

    service = {"metadata": {"name": "s", "annotations": {PROMOTION_ANNOTATION: promotion.text}}}
    read = promotion_on(service, NOW)

    assert read == promotion
    assert (read.candidate, read.champion, read.revision) == ("v1", "v2", 5)
    assert read.run(ROLLING_BACK) == ROLLING_BACK
    assert read.run(None).state is RunState.ROLLING_BACK


@pytest.mark.parametrize(
    ("revision", "moves"), [(5, True), (7, False)], ids=["never moved", "moved, and back by a hand"]
)
def test_alias_that_a_hand_moved_back_is_not_moved_again(revision: int, *, moves: bool) -> None:
    """Before a rollback the alias points, and pointed before, as after it was undone."""
    promotion = promotion_of(ROLLING_BACK, KEY, TARGET, NOW)
    assert promotion is not None
    seen = SeenRun(NOW, alias=replace(ALIAS, revision=revision), deployment=DEPLOYMENT)

    plan = carried_on(promotion, Status(number=7, run=ROLLING_BACK), seen, may_begin=True)

    assert any(isinstance(one, MoveAlias) for one in plan.then) is moves
    assert run_of(plan).state is (RunState.ROLLING_BACK if moves else RunState.FAILED)
    rejected = [
        one for one in plan.first if isinstance(one, SetState) and one.state is ModelState.REJECTED
    ]
    assert rejected == []
