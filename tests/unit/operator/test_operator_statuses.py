"""A status that another release, or a person, wrote: read as far as it can be."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taxi_operator.core.decisions import Traffic
from taxi_operator.memory.run import RunState
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import document_of, status_of
from taxi_operator.times import seconds_since_epoch

NOW = 1_760_000_000.0
PAST = "2025-10-01T00:00:00Z"
RUN: dict[str, Any] = {
    "number": 3, "attempt": 1, "state": "Running", "jobName": "j", "startedAt": PAST,
    "cronJobName": "train",
    "gate": {
        "minLabelledRows": 1000, "minRelativeGain": "0.02", "confidence": "0.95",
        "approval": "Required", "maxVerdictAgeSeconds": 7200,
    },
    "observation": {
        "forSeconds": 3600, "minLabelledRows": 500, "confidence": "0.95", "since": PAST,
        "look": 2, "lookAt": PAST, "jobName": "j-observe-2",
    },
}  # fmt: skip
OBSERVING = {**RUN, "state": "Observing", "candidate": "v2", "champion": "v1"}
ROLLING_BACK = {
    **OBSERVING, "state": "RollingBack", "promotingSince": PAST, "byRequest": True,
    "aliasRevision": 7,
}  # fmt: skip
del ROLLING_BACK["jobName"]
TRAFFIC = {"active": "Fallback", "since": PAST, "lastSwapSeconds": "1.20"}
CONDITION = {
    "type": "Ready", "status": "True", "reason": "r", "message": "m", "observedGeneration": 1,
    "lastTransitionTime": PAST,
}  # fmt: skip
DECISION = {
    "id": "0003", "number": 3, "action": "Retrain", "because": ["s"], "at": PAST,
    "reportURL": "http://m/reports/r", "reportFrom": PAST, "reportJobName": "j",
    "reportMessage": "m", "outcome": "Promoted", "endedAt": PAST, "candidate": "v", "gain": "0.1",
    "message": "m", "seconds": "1.2",
}  # fmt: skip
WHOLE: dict[str, Any] = {
    "conditions": [CONDITION],
    "signals": [{"name": "s", "state": "Breached", "breached": True, "samples": 7}],
    "decision": DECISION,
    "run": RUN,
    "candidate": {"state": "Promoting", "ci": ["0.1", "0.2"], "evaluatedRows": 9},
    "traffic": TRAFFIC,
    "budget": {"runsInWindow": 1, "maxRuns": 4, "nextEligibleAt": PAST},
    "signalsResetAt": PAST,
    "history": [DECISION],
    "requests": {"retrain": "", "abort": "x", "rollback": "y", "refused": "z"},
    "dryRun": {
        "traffic": {"active": "Fallback", "since": PAST, "reason": "ChampionUnavailable"},
        "runs": [{"at": PAST}],
        "history": [{"action": "Retrain", "because": ["s"], "at": PAST}],
    },
}
PARTS = list(WHOLE)


def test_status_of_this_release_is_read_whole() -> None:
    status = status_of(WHOLE, NOW)

    assert status.unreadable == {}
    assert document_of(status, 1) == {**WHOLE, "observedGeneration": 1}


@pytest.mark.parametrize("run", [OBSERVING, ROLLING_BACK])
def test_run_behind_its_promotion_is_read_whole(run: dict[str, Any]) -> None:
    status = status_of({"run": run}, NOW)

    assert status.unreadable == {}
    assert document_of(status, 1)["run"] == run


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("run", {**RUN, "state": "Shadowing"}),
        ("run", {**RUN, "state": "Observing"}),
        ("run", {**OBSERVING, "observation": {**RUN["observation"], "since": "yesterday"}}),
        ("run", {**OBSERVING, "observation": {**RUN["observation"], "look": 0}}),
        ("run", {**OBSERVING, "observation": None}),
        ("run", {**RUN, "state": "RollingBack"}),
        ("run", {**RUN, "jobName": ""}),
        ("run", {**RUN, "number": "many"}),
        ("run", {**RUN, "startedAt": "0000-01-01T00:00:00Z"}),
        ("run", {"state": "Running"}),
        ("run", {**RUN, "state": "Promoting"}),
        ("run", []),
        ("traffic", {"active": "Shadow"}),
        ("traffic", {**TRAFFIC, "since": "2099-01-01T00:00:00Z"}),
        ("traffic", {**TRAFFIC, "lastSwapSeconds": "soon"}),
        ("signals", [{"state": "Breached"}]),
        ("signals", "s"),
        ("decision", {"number": 2**63}),
        ("decision", {**DECISION, "reportURL": ["http://m"]}),
        ("decision", {**DECISION, "reportFrom": "yesterday"}),
        ("history", [None]),
        ("history", [WHOLE["history"][0]] * 10_000),
        ("conditions", [{"type": "Ready"}]),
        ("signalsResetAt", 5),
    ],
)
def test_part_that_cannot_be_read_is_named_and_spoils_no_other(part: str, value: object) -> None:
    status, whole = status_of({**WHOLE, part: value}, NOW), status_of(WHOLE, NOW)

    assert list(status.unreadable) == [part]
    assert part in status.unreadable[part]
    written, wanted = document_of(status, 1), document_of(whole, 1)
    for other in set(PARTS) - {part, "decision" if part == "history" else part}:
        assert written[other] == wanted[other]


def test_unknown_traffic_is_asked_of_the_service() -> None:
    status = status_of({"traffic": {"active": "Shadow", "since": PAST}}, NOW)

    assert not status.traffic_known
    assert not status.is_swapping


def test_number_as_text_is_a_number() -> None:
    run = status_of({"run": {**RUN, "number": "3"}}, NOW).run

    assert run is not None
    assert (run.number, run.state) == (3, RunState.RUNNING)


def test_time_that_lies_ahead_is_now() -> None:
    ahead = "2099-01-01T00:00:00Z"
    document: dict[str, Any] = {
        "traffic": {**TRAFFIC, "since": ahead}, "signalsResetAt": ahead,
        "run": {**RUN, "startedAt": ahead, "endedAt": ahead, "nextAttemptAt": ahead},
        "history": [{"number": 3, "action": "Retrain", "at": ahead}],
    }  # fmt: skip

    status = status_of(document, NOW)

    assert status.run is not None
    assert status.traffic_since == status.reset_at == status.run.started_at == NOW
    assert status.run.ended_at == NOW
    assert seconds_since_epoch(status.history[0]["at"]) == NOW
    assert set(status.unreadable) == {"traffic", "signalsResetAt", "run", "history"}


def test_next_attempt_may_lie_ahead() -> None:
    soon = "2025-10-09T09:00:00Z"
    status = status_of({"run": {**RUN, "state": "Backoff", "nextAttemptAt": soon}}, NOW)

    assert status.unreadable == {}
    assert status.run is not None
    assert status.run.next_attempt_at == seconds_since_epoch(soon)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([PAST, "2099-01-01T00:00:00Z", "Promoting", "Fallback", "1e999", "²"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=5) | st.sampled_from([*RUN, *TRAFFIC]), inner, max_size=6),
    max_leaves=12,
)  # fmt: skip
statuses = st.fixed_dictionaries({}, optional=dict.fromkeys(PARTS, json_values))


@given(json_values | statuses)
@example({"run": {**RUN, "attempt": float("inf")}})
@example({"traffic": {"active": ["Fallback"]}})
def test_nothing_that_stands_there_stops_the_operator(found: object) -> None:
    status = status_of(found, NOW)

    assert isinstance(status, Status)
    assert status.traffic in set(Traffic)
    again = status_of(document_of(status, 1), NOW)
    assert again.unreadable == {}, "what is written is readable"
    assert (status.traffic_since or 0.0) <= NOW + 300
    assert math.isfinite(status.number)
