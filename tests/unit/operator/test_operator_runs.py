"""Steps of a run where something happens between two looks."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taxi_domain.errors import TaxiError
from taxi_domain.kube import COMPONENT_LABEL, MODEL_VERSION_ANNOTATION, TRAIN
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_operator.core.jobs import PolicyKey, run_id
from taxi_operator.core.services import TargetMissingError
from taxi_operator.effects.executor import Executor
from taxi_operator.facts.runs import RunFacts
from taxi_operator.memory.obligations import (
    PROMOTION_ANNOTATION,
    OpenPromotion,
    promotion_on,
    recalled,
)
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.plan import Plan
from taxi_operator.plan.policy import run
from taxi_operator.plan.seen import NOTHING_DONE, NextRun, Seen
from taxi_operator.spec.policy import Gate, policy_of
from taxi_operator.traffic import TrafficControl
from taxi_store.registry.entries import (
    AliasConflictError,
    AliasEntry,
    StateConflictError,
    UnknownVersionError,
)
from taxi_store.registry.runs import ModelRun, RunEntry, run_entry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = PolicyKey("p", "0a1b2c3d-1111-2222-3333-444455556666")
POLICY = policy_of(
    {
        "target": {"deploymentName": "p", "activeServiceName": "s"},
        "prometheus": {"url": "http://p"},
        "signals": [],
        "retrain": {"jobFrom": {"cronJobName": "train"}},
    }
)
RUNNING = Status(number=1, run=Run(1, 1, RunState.RUNNING, "job", 0.0, champion="v1"))


def report(result: RunResult, candidate: str | None = None) -> RunEntry:
    return RunEntry("r", "train", result, "said so", candidate, "v1", NOW, NOW)


class FakeCluster:
    """A Job that has ended; looking at it lets something else happen."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._meanwhile = meanwhile
        self.annotated: list[dict[str, str]] = []
        self.template: dict[str, str] = {}
        self.paused = False
        self.template_labels: dict[str, str] | None = {COMPONENT_LABEL: TRAIN}
        self.asked_for: list[str] = []
        self.created: list[dict[str, Any]] = []
        self.has_deployment = True
        self.condition = {
            "type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "stuck"
        }  # fmt: skip
        self.service_annotations: dict[str, str] = {}

    async def cron_job(self, name: str) -> dict[str, Any] | None:
        self.asked_for.append(name)
        if self.template_labels is None:
            return None
        pod = {"spec": {"containers": [{"name": "train"}]}}
        return {
            "metadata": {"name": name, "labels": self.template_labels},
            "spec": {"jobTemplate": {"spec": {"template": pod}}},
        }

    async def jobs(self, _uid: str) -> list[dict[str, Any]]:
        return []

    async def create_job(self, manifest: dict[str, Any]) -> bool:
        self.created.append(manifest)
        return True

    async def service(self, name: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "annotations": dict(self.service_annotations)}}

    async def annotate_service(self, _name: str, changes: dict[str, str | None]) -> None:
        merged = {**self.service_annotations, **changes}
        self.service_annotations = {key: value for key, value in merged.items() if value}

    async def job(self, _name: str) -> dict[str, Any]:
        self._meanwhile()
        return {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}

    async def pods(self, _labels: object) -> list[dict[str, Any]]:
        return []

    async def annotate_pods(self, deployment: str, annotations: dict[str, str]) -> None:
        assert self.has_deployment, f"the API server refuses to change {deployment}"
        self.annotated.append(annotations)
        self.template = {**self.template, **annotations}

    async def deployment(self, _name: str) -> dict[str, Any] | None:
        if not self.has_deployment:
            return None
        status = {"observedGeneration": 1, "conditions": [self.condition]}
        pods = {"metadata": {"annotations": self.template}}
        spec = {"template": pods, "paused": self.paused}
        return {"metadata": {"generation": 1}, "spec": spec, "status": status}


class FakeRegistry:
    """An alias and the versions that exist."""

    def __init__(
        self, champion: str, *versions: str,
        previous: str | None = None, report: RunEntry | None = None,
    ) -> None:  # fmt: skip
        self.champion = champion
        self.previous = previous
        self.versions = set(versions)
        self.report = report
        self.marked: set[str] = set()
        self.document: dict[str, Any] | None = None

    async def run(self, _run_id: str) -> RunEntry | None:
        if self.document is not None:
            return run_entry(self.document)
        return self.report

    async def runs_since(self, _model: str, _start: datetime) -> list[ModelRun]:
        return []

    async def alias(self, model: str, alias: Alias) -> AliasEntry:
        return AliasEntry(model, alias, self.champion, self.previous, 1, NOW, "t")

    async def set_state(self, version: str, _state: ModelState, *, reason: str = "") -> None:
        if version not in self.versions:
            raise UnknownVersionError(version)
        self._check_mark(version)

    async def move_alias(
        self, _model: str, alias: Alias, *, to: str, expected: str, **_: Any
    ) -> None:
        if to not in self.versions:
            raise UnknownVersionError(to)
        self._check_mark(to)
        if self.champion != expected:
            raise AliasConflictError(alias, expected, self.champion)
        self.champion, self.previous = to, expected
        self.after_move()

    def after_move(self) -> None:
        """Let something happen between the alias and the state."""

    def _check_mark(self, version: str) -> None:
        if version in self.marked:
            raise StateConflictError(version, ModelState.DELETING, "promoted")


def advance(cluster: Any, registry: Any, status: Status = RUNNING, now: float = 100.0) -> Status:
    """Take the next step of a run, and the one behind it where the first one's effects fail."""
    facts = RunFacts(cluster, registry)
    executor = Executor(cluster, registry, TrafficControl(cluster), lambda _point: None)
    cluster.clock = lambda: now

    async def write(_plan: Plan) -> None:
        """Nothing remembers it but the caller."""

    async def steps() -> Status:
        found, done = status, NOTHING_DONE
        while True:
            assert found.run is not None
            seen = Seen(now, jobs=(), run=await facts.look(POLICY, KEY, found.run, now))
            plan = run(POLICY, KEY, found, seen, done)
            done = await executor.carry_out(plan, write)
            found = plan.memory
            if not done.lost:
                return found

    return asyncio.run(steps())


def run_of(status: Status) -> Run:
    assert status.run is not None
    return status.run


def test_report_that_is_written_while_the_job_ends_is_read() -> None:
    registry = FakeRegistry("v1", "v1")

    def finish() -> None:
        registry.report = report(RunResult.NOT_BETTER)

    assert run_of(advance(FakeCluster(finish), registry)).state is RunState.REFUSED


def test_job_without_a_report_is_tried_again() -> None:
    status = advance(FakeCluster(), FakeRegistry("v1", "v1"))

    assert run_of(status).state is RunState.BACKOFF
    assert "NoReport" in run_of(status).message


def test_alias_that_was_moved_before_a_crash_is_found() -> None:
    cluster = FakeCluster()
    registry = FakeRegistry("v2", "v1", "v2", report=report(RunResult.BETTER, "v2"))

    assert run_of(advance(cluster, registry)).state is RunState.PROMOTING
    assert cluster.annotated == [{MODEL_VERSION_ANNOTATION: "v2"}]


def test_candidate_that_was_deleted_ends_the_run() -> None:
    cluster = FakeCluster()
    registry = FakeRegistry("v1", "v1", previous="v0", report=report(RunResult.BETTER, "v2"))

    found = run_of(advance(cluster, registry))

    assert found.state is RunState.FAILED
    assert "v2" in found.message
    assert cluster.annotated == [], "no pod can have it"


def test_mark_of_the_garbage_collection_behind_the_alias_is_no_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = FakeCluster()
    registry = FakeRegistry("v1", "v1", "v2", report=report(RunResult.BETTER, "v2"))
    monkeypatch.setattr(registry, "after_move", lambda: registry.marked.add("v2"))

    assert run_of(advance(cluster, registry)).state is RunState.PROMOTING
    assert registry.champion == "v2"
    assert cluster.annotated == [{MODEL_VERSION_ANNOTATION: "v2"}]

    # The same when the operator is killed behind the alias and begins again.
    assert run_of(advance(cluster, registry)).state is RunState.PROMOTING
    assert registry.champion == "v2"


def test_candidate_that_is_being_deleted_is_not_promoted() -> None:
    registry = FakeRegistry("v1", "v1", "v2", report=report(RunResult.BETTER, "v2"))
    registry.marked.add("v2")

    assert run_of(advance(FakeCluster(), registry)).state is RunState.FAILED
    assert registry.champion == "v1"


@pytest.mark.parametrize(
    ("pointed", "before", "back"),
    [("v2", "v1", "v1"), ("v1", "v2", "v1"), ("v3", "v2", "v3")],
    ids=["by us", "by us before a crash", "by hand"],
)
def test_neither_alias_nor_pods_stay_on_a_deleted_candidate(
    pointed: str, before: str, back: str
) -> None:
    cluster = FakeCluster()
    verdict = report(RunResult.BETTER, "v2")
    registry = FakeRegistry(pointed, "v1", "v3", previous=before, report=verdict)

    assert run_of(advance(cluster, registry)).state is RunState.FAILED
    assert registry.champion == back
    assert cluster.annotated == [
        {MODEL_VERSION_ANNOTATION: back, "taxi-monitoring.io/rolled-back": "job"}
    ]


def test_a_run_ends_when_candidate_and_deployment_are_both_gone() -> None:
    cluster = FakeCluster()
    cluster.has_deployment = False
    registry = FakeRegistry("v2", "v1", previous="v1")

    late = advance(cluster, registry, Status(number=1, run=PROMOTING), now=1001.0)

    assert run_of(late).state is RunState.FAILED
    assert registry.champion == "v1"


@pytest.mark.parametrize("champion", ["v1", "v2"], ids=["by hand", "by us"])
def test_pods_on_the_way_back_are_of_a_template_that_never_was(champion: str) -> None:
    previous = "v2" if champion == "v1" else "v1"
    cluster, registry = FakeCluster(), FakeRegistry(champion, "v1", "v2", previous=previous)
    cluster.template = {MODEL_VERSION_ANNOTATION: "v2"}
    run = Run(1, 1, RunState.PROMOTING, "job", 0.0, candidate="v2", champion="v1")

    # The second time it is the repeat after a crash, which replaces no pods again.
    for _ in range(2):
        status = advance(cluster, registry, Status(number=1, run=run))
        assert run_of(status).state is RunState.FAILED
        assert registry.champion == "v1"
        assert cluster.annotated[-1] == {
            MODEL_VERSION_ANNOTATION: "v1", "taxi-monitoring.io/rolled-back": "job",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("reported", "number"), [([], 4), ([(3, 1), (4, 1), (5, 3)], 6), ([(4, 4), (5, 1)], 4)]
)
def test_number_that_has_a_report_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, reported: list[tuple[int, int]], number: int
) -> None:
    cluster: Any = FakeCluster()
    registry: Any = FakeRegistry("v1")
    found = {run_id(KEY.uid, *one): report(RunResult.BETTER, "v2") for one in reported}

    async def report_of(name: str) -> RunEntry | None:
        return found.get(name)

    monkeypatch.setattr(registry, "run", report_of)

    next_run = asyncio.run(RunFacts(cluster, registry).next_run(POLICY, KEY, 4, 1e6))
    assert next_run == NextRun(number, "v1")


@pytest.mark.parametrize(
    "field", [{"result": "Uncertain"}, {"candidate": 5}, {"kind": None, "result": None}]
)
def test_verdict_of_another_release_ends_the_run(field: dict[str, Any]) -> None:
    registry = FakeRegistry("v1", "v1", "v2")
    registry.document = {
        "_id": "r", "kind": "train", "result": "Better", "candidate": "v2", "champion": "v1",
        "started_at": NOW, **field,
    }  # fmt: skip

    found = run_of(advance(FakeCluster(), registry))

    assert found.state is RunState.FAILED
    assert "cannot be read" in found.message
    assert registry.champion == "v1"


def test_figures_that_are_none_are_not_shown() -> None:
    registry = FakeRegistry("v1", "v1", "v2")
    registry.document = {
        "_id": "r", "kind": "train", "result": "NotBetter", "candidate": "v2", "champion": "v1",
        "started_at": NOW, "message": None,
        "numbers": {"gain": "much", "ci_low": 0.1, "evaluated_rows": float("nan")},
    }  # fmt: skip

    status = advance(FakeCluster(), registry)

    assert run_of(status).state is RunState.REFUSED
    assert status.candidate is not None
    assert {"gain", "evaluatedRows"}.isdisjoint(status.candidate)


def test_pause_that_no_policy_asks_for_ends() -> None:
    for next_attempt, state in ((150.0, RunState.BACKOFF), (1e9, RunState.STARTING)):
        run = Run(1, 1, RunState.BACKOFF, "job", 0.0, next_attempt_at=next_attempt)
        status = advance(FakeCluster(), FakeRegistry("v1"), Status(number=1, run=run))

        assert run_of(status).state is state


def test_verdict_of_the_day_before_yesterday_is_not_carried_out() -> None:
    for age, state in ((86_399, RunState.PROMOTING), (86_401, RunState.FAILED)):
        registry = FakeRegistry("v1", "v1", "v2", report=report(RunResult.BETTER, "v2"))

        found = run_of(advance(FakeCluster(), registry, now=NOW.timestamp() + age))

        assert found.state is state
        assert registry.champion == ("v2" if state is RunState.PROMOTING else "v1")
        assert ("24 h old" in found.message) is (state is RunState.FAILED)


def test_candidate_is_not_blamed_for_a_deployment_that_cannot_roll() -> None:
    cluster = FakeCluster()
    cluster.paused = True
    registry = FakeRegistry("v1", "v1", "v2", report=report(RunResult.BETTER, "v2"))

    with pytest.raises(TaxiError, match=r"Deployment p: is paused, .*; resume its rollout"):
        advance(cluster, registry)
    assert (registry.champion, cluster.service_annotations) == ("v1", {})

    cluster.paused = False
    assert run_of(advance(cluster, registry)).state is RunState.PROMOTING


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({}, "has no label app.kubernetes.io/component=train"),
        ({"app.kubernetes.io/component": "report"}, "has no label"),
        ({"app.kubernetes.io/component": "train"}, "is not of the release ours"),
        (
            {"app.kubernetes.io/component": "train", "app.kubernetes.io/instance": "theirs"},
            "is not of the release ours",
        ),
        (None, "is not there"),
    ],
)
def test_cron_job_that_is_no_template_of_ours_is_not_started(
    labels: dict[str, str] | None, problem: str
) -> None:
    cluster: Any = FakeCluster()
    cluster.template_labels = labels

    with pytest.raises(TargetMissingError, match=rf"CronJob train: {problem}.*; spec\.retrain"):
        asyncio.run(RunFacts(cluster, None, "ours").template("train"))  # type: ignore[arg-type]


def test_edit_of_the_policy_is_for_the_next_run() -> None:
    cluster, registry = FakeCluster(), FakeRegistry("v1", "v1")
    run = Run(
        1, 2, RunState.STARTING, "job", 0.0, cron_job="before", gate=Gate(500, "0.05", "0.99")
    )

    advance(cluster, registry, Status(number=1, run=run))

    (job,) = cluster.created
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [
        "run", "--min-labelled-rows", "500", "--min-relative-gain", "0.05", "--confidence", "0.99",
    ]  # fmt: skip
    assert cluster.asked_for == ["before"]


PAUSED = {"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused"}
PROMOTING = Run(
    1, 1, RunState.PROMOTING, "job", 0.0, candidate="v2", champion="v1", model="m", deployment="d",
    promoting_since=100.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("elapsed", "missing", "state"),
    [
        (899, False, RunState.PROMOTING),
        (901, False, RunState.FAILED),
        (899, True, RunState.PROMOTING),
        (901, True, RunState.FAILED),
    ],
)
def test_promotion_that_goes_on_for_ever_is_taken_back(
    elapsed: float, missing: bool, state: RunState
) -> None:
    cluster, registry = FakeCluster(), FakeRegistry("v2", "v1", "v2", previous="v1")
    cluster.condition, cluster.has_deployment = PAUSED, not missing

    status = advance(cluster, registry, Status(number=1, run=PROMOTING), now=100.0 + elapsed)

    assert run_of(status).state is state
    assert registry.champion == ("v2" if state is RunState.PROMOTING else "v1")


def test_candidate_that_is_gone_by_then_does_not_stop_the_way_back() -> None:
    registry = FakeRegistry("v2", "v1")

    status = advance(FakeCluster(), registry, Status(number=1, run=PROMOTING))

    assert (run_of(status).state, registry.champion) == (RunState.FAILED, "v1")


def test_run_keeps_the_model_that_it_was_begun_for() -> None:
    registry = FakeRegistry("v1", "v1", "v2", report=report(RunResult.BETTER, "v2"))
    run = Run(1, 1, RunState.RUNNING, "job", 0.0, champion="v1", model="another")

    status = advance(FakeCluster(), registry, Status(number=1, run=run))

    assert run_of(status).state is RunState.FAILED
    assert "another" in run_of(status).message
    assert registry.champion == "v1"


def test_service_remembers_a_promotion_from_before_the_alias_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = FakeCluster()
    registry = FakeRegistry("v1", "v1", "v2", report=report(RunResult.BETTER, "v2"))
    seen: list[bool] = []
    monkeypatch.setattr(
        registry,
        "after_move",
        lambda: seen.append(PROMOTION_ANNOTATION in cluster.service_annotations),
    )

    status = advance(cluster, registry)
    promotion = promotion_on(asyncio.run(cluster.service("s")), 100.0)
    assert promotion is not None
    assert (promotion.candidate, promotion.champion, promotion.policy_uid) == ("v2", "v1", KEY.uid)
    lost = recalled(Status(), asyncio.run(cluster.service("s")), KEY.uid, 100.0)
    assert lost.run is not None
    assert lost.run == replace(run_of(status), message="", started_at=100.0, champion="v1")
    advance(cluster, registry, status)

    assert seen == [True, True], "forward and back"
    assert PROMOTION_ANNOTATION not in cluster.service_annotations


def test_promotion_of_another_policy_is_not_overwritten() -> None:
    cluster = FakeCluster()
    registry = FakeRegistry("v1", "v1", "v2", report=report(RunResult.BETTER, "v2"))
    other = OpenPromotion("q", "uid", "s", "m", "d", "v9", "v8", 1, 1, "job", 50.0)
    cluster.service_annotations[PROMOTION_ANNOTATION] = other.text

    with pytest.raises(TaxiError, match="still open"):
        advance(cluster, registry)

    assert registry.champion == "v1"


@given(st.text() | st.recursive(
    st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(
        st.sampled_from(["policy", "since", "number", "candidate"]), one), max_leaves=6,
).map(json.dumps))  # fmt: skip
@example("[" * 100_000)
@example('{"since": "2099-01-01T00:00:00Z"}')
def test_note_on_the_service_that_is_none_is_read_as_none(text: str) -> None:
    service = {"metadata": {"name": "s", "annotations": {PROMOTION_ANNOTATION: text}}}

    assert promotion_on(service, 100.0) is None
    assert recalled(Status(), service, KEY.uid, 100.0) == Status()


def test_status_that_knows_more_is_not_recalled() -> None:
    text = OpenPromotion("p", KEY.uid, "s", "m", "d", "v2", "v1", 1, 1, "job", 50.0).text
    service = {"metadata": {"name": "s", "annotations": {PROMOTION_ANNOTATION: text}}}
    newer = Status(number=2, run=Run(2, 1, RunState.RUNNING, "job", 0.0))

    assert recalled(newer, service, KEY.uid, 100.0) == newer
    assert recalled(Status(), service, "another", 100.0) == Status()
