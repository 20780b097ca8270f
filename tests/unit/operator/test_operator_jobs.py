"""Retrain Jobs: names that repeat, manifests from the template, outcomes with reasons."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_domain.errors import FieldError
from taxi_domain.kube import DECISION_LABEL
from taxi_operator.core.jobs import (
    JobState,
    PolicyKey,
    decision_number,
    ended_at,
    job_manifest,
    job_name,
    outcome_of,
    run_id,
)
from taxi_operator.core.run_terms import Terms
from taxi_operator.memory.run import Run, RunState
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import document_of, status_of
from taxi_operator.spec.policy import Gate, policy_of

KEY = PolicyKey("taxi-duration", "0a1b2c3d-1111-2222-3333-444455556666")
TERMS = Terms(Gate(1000, "0.02", "0.95"), None)
RETRAIN = policy_of(
    {
        "target": {"deploymentName": "p", "activeServiceName": "s"},
        "prometheus": {"url": "http://p"},
        "signals": [],
        "retrain": {"jobFrom": {"cronJobName": "taxi-train"}, "activeDeadlineSeconds": 300},
    }
).retrain
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app.kubernetes.io/component": "train"}},
    "spec": {
        "template": {
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "train", "image": "train:1", "args": ["run"],
                        "env": [{"name": "A", "value": "1"}, {"name": "TAXI_RUN_ID", "value": ""}],
                    }
                ],
            }
        }
    },
}  # fmt: skip


@given(st.text("abcdefghij-", min_size=1, max_size=253), st.integers(1, 9999), st.integers(1, 10))
def test_name_is_short_and_the_same_for_the_same_attempt(
    name: str, number: int, attempt: int
) -> None:
    key = PolicyKey(name, KEY.uid)
    found = job_name(key, number, attempt)

    assert len(found) <= 63
    assert found == job_name(key, number, attempt)
    assert found != job_name(key, number, attempt + 1)
    assert found != job_name(key, number + 1, attempt)


def test_manifest_takes_the_pod_from_the_template_and_sets_the_run() -> None:
    assert RETRAIN is not None
    job = job_manifest(TEMPLATE, KEY, 7, 2, RETRAIN, TERMS)

    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "train:1"
    assert container["args"][:3] == ["run", "--min-labelled-rows", "1000"]
    assert {"name": "A", "value": "1"} in container["env"]
    assert {"name": "TAXI_RUN_ID", "value": run_id(KEY.uid, 7, 2)} in container["env"]
    assert sum(one["name"] == "TAXI_RUN_ID" for one in container["env"]) == 1
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (0, 300)
    assert job["metadata"]["ownerReferences"][0]["uid"] == KEY.uid
    assert job["metadata"]["labels"]["app.kubernetes.io/component"] == "train"
    assert decision_number(job) == 7
    assert TEMPLATE["spec"]["template"]["spec"]["containers"][0]["args"] == ["run"]


def test_template_without_the_container_is_named() -> None:
    assert RETRAIN is not None
    strange = {"spec": {"template": {"spec": {"containers": [{"name": "other"}]}}}}

    with pytest.raises(FieldError, match="taxi-train"):
        job_manifest(strange, KEY, 1, 1, RETRAIN, TERMS)


@pytest.mark.parametrize(
    ("own", "template", "limit"),
    [(300, None, 300), (300, 900, 300), (900, 300, 300), (None, 600, 600), (None, None, 1800)],
)
def test_policy_makes_the_time_of_a_job_shorter_only(
    own: int | None, template: int | None, limit: int
) -> None:
    assert RETRAIN is not None
    spec = {**TEMPLATE["spec"], "activeDeadlineSeconds": template}

    made = job_manifest({"spec": spec}, KEY, 1, 1, replace(RETRAIN, deadline_seconds=own), TERMS)

    assert made["spec"]["activeDeadlineSeconds"] == limit


def job(kind: str, reason: str = "") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": "True", "reason": reason}]}}


def pod(**state: Any) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"state": state}]}}


@pytest.mark.parametrize(
    ("found", "pods", "state", "reason"),
    [
        (None, [], JobState.MISSING, "JobMissing"),
        ({}, [], JobState.RUNNING, "JobRunning"),
        (job("Complete"), [], JobState.SUCCEEDED, ""),
        (job("Failed", "DeadlineExceeded"), [], JobState.FAILED, "DeadlineExceeded"),
        (job("Failed"), [pod(terminated={"exitCode": 42})], JobState.FAILED, "DataQualityFailed"),
        (job("Failed"), [pod(terminated={"exitCode": 2})], JobState.FAILED, "UsageError"),
        (job("Failed", "Test"), [pod(terminated={"exitCode": 1})], JobState.FAILED, "Test"),
        (
            job("Failed"),
            [pod(terminated={"exitCode": 137, "reason": "OOMKilled"})],
            JobState.FAILED,
            "OOMKilled",
        ),
        ({}, [pod(waiting={"reason": "ErrImagePull"})], JobState.RUNNING, "ImagePullFailed"),
        ({}, [pod(waiting={"reason": "ContainerCreating"})], JobState.RUNNING, "JobRunning"),
    ],
)
def test_outcome_has_a_reason(
    found: dict[str, Any] | None, pods: list[dict[str, Any]], state: JobState, reason: str
) -> None:
    outcome = outcome_of(found, pods)

    assert (outcome.state, outcome.reason) == (state, reason)
    assert outcome.retry_is_useless == (reason in {"DataQualityFailed", "UsageError"})
    assert not outcome.retry_is_useless or "exit code" in outcome.message


def test_status_survives_its_document() -> None:
    run = Run(
        3, 2, RunState.BACKOFF, "job", 1000.0, 1060.0, candidate="b", champion="a", message="m"
    )
    status = Status(
        number=3, decision={"number": 3, "action": "Retrain"}, run=run, reset_at=500.0,
        breached={"x": True}, signals=[{"name": "x", "breached": True}], history=({"number": 3},),
    )  # fmt: skip

    assert status_of(document_of(status, 4)) == status
    assert status_of(None) == Status()
    assert document_of(Status(), 1) == {"observedGeneration": 1}
    known = Status(traffic_known=True)
    assert document_of(known, 1)["traffic"] == {"active": "Champion"}
    assert status_of(document_of(known, 1)) == known


def test_promotion_forgets_what_the_signals_said() -> None:
    status = Status(breached={"x": True}, signals=[{"name": "x", "breached": True}]).forgotten()

    assert status_of(document_of(status, 1)).breached == {"x": False}
    assert status.signals == [{"name": "x", "state": "Unknown", "breached": False}]


@pytest.mark.parametrize("text", ["", "²", "-1", "1e3", "9" * 10, "9" * 63])
def test_label_that_is_no_number_of_ours_is_none(text: str) -> None:
    found = {"metadata": {"labels": {DECISION_LABEL: text}}}

    assert decision_number(found) == 0


def test_end_that_somebody_wrote_without_a_time_is_that_of_the_job() -> None:
    found = {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"conditions": [{"type": "Failed", "status": "True"}]},
    }

    assert ended_at(found) == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
