"""What the stories claim in the end, and what breaks a claim."""

import json
from dataclasses import replace
from typing import Any

import pytest
from support.fake_kubectl import FakeKubectl

from taxi_stories.example import FLIGHTS as FLIGHT_DELAY
from taxi_stories.flights import FLIGHTS
from taxi_stories.hands import Hands
from taxi_stories.release import Release
from taxi_stories.rows import read_rides
from taxi_stories.scenario import Snapshot
from taxi_stories.scenarios import COLLAPSE, QUIET
from taxi_stories.story import SAMPLES

WELL = Snapshot(
    at=60.0,
    sent=QUIET.rows,
    refused=1,
    window_rows=2000.0,
    drift=0.4,
    rmse=4.5,
    error=0.6,
    policy={"status": {"conditions": [{"type": "MetricsAvailable", "status": "True"}]}},
)


def broken(*snapshots: Snapshot) -> list[str]:
    return [sentence for sentence, held in QUIET.claims(snapshots) if not held]


def test_quiet_weeks_hold_all_claims() -> None:
    assert broken(WELL, WELL) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sent": QUIET.rows - 1}, "rides were sent"),
        ({"refused": 0}, "only the impossible one was refused"),
        ({"refused": 2}, "only the impossible one was refused"),
        ({"drift": 1.0}, "the inputs gave no alarm"),
        ({"error": 1.2}, "the error gave no alarm"),
        ({"policy": {"status": {}}}, "the policy saw its signals"),
        ({"drift": None, "error": None}, "the monitor measured"),
    ],
)
def test_each_claim_can_break(change: dict[str, Any], named: str) -> None:
    assert any(named in sentence for sentence in broken(replace(WELL, **change)))


def test_quiet_weeks_are_over_with_a_look_at_which_the_policy_has_its_signals() -> None:
    blind = replace(WELL, policy={"status": {}})

    assert QUIET.is_over([WELL] * 5, True)
    assert not QUIET.is_over([WELL] * 5, False)
    assert not QUIET.is_over([WELL] * 4, True)
    assert not QUIET.is_over([*[WELL] * 5, blind], True)
    assert QUIET.is_over([*[WELL] * 5, blind, WELL], True)


def test_stream_of_the_quiet_story_has_one_impossible_ride() -> None:
    rides = read_rides(SAMPLES / f"{QUIET.stream}.parquet")[: QUIET.rows]
    distances = [float(str(ride.body["trip_distance"])) for ride in rides]

    assert len(rides) == QUIET.rows
    assert [one for one in distances if one > 100.0] == [102620.98]


def test_anything_that_the_policy_does_breaks_the_quiet() -> None:
    decided = {**WELL.policy["status"], "decision": {"action": "Retrain"}}

    assert broken(replace(WELL, policy={"status": decided}), WELL) == ["the policy did nothing"]


@pytest.mark.parametrize(
    ("verdicts", "problems"),
    [
        (["drift", "no drift"], []),
        (["no drift", "drift"], []),
        (["no drift", "too few rows"], ["the batch report says drift"]),
        (["drift"], ["it has the model of before and the one that was promoted"]),
    ],
)
def test_the_report_of_the_collapse_shows_drift_and_both_models(
    verdicts: list[str], problems: list[str]
) -> None:
    assert COLLAPSE.report_claims is not None
    claims = COLLAPSE.report_claims({"versions": [{"verdict": one} for one in verdicts]})

    assert [sentence for sentence, held in claims if not held] == problems


APPROVAL = {"state": "AwaitingApproval", "verdict": "Better", "version": "0a1b2c"}
WAITS = replace(
    WELL,
    policy={"spec": {}, "status": {"run": {"state": "AwaitingApproval"}, "candidate": APPROVAL}},
)


def test_the_candidate_of_the_collapse_waits_for_a_person_who_names_its_version() -> None:
    def waited(*snapshots: Snapshot) -> bool:
        return dict(COLLAPSE.claims(snapshots))["it waited until a person approved of it"]

    (deed,) = COLLAPSE.by_hand
    kubectl = FakeKubectl("context", "ns")
    promoted = replace(WELL, policy={"status": {"candidate": {"state": "Promoted"}}})
    told = replace(WAITS, policy={**WAITS.policy, "spec": {"approvedCandidate": "0a1b2c"}})

    assert deed.when([WELL, WAITS])
    assert not deed.when([WAITS, promoted])
    deed.do(Hands(Release(kubectl), COLLAPSE.name, lambda _: None), [WAITS])
    (command,) = kubectl.asked
    assert command[:3] == ("patch", "dp", "collapse")
    assert json.loads(command[-1]) == {"spec": {"approvedCandidate": "0a1b2c"}}
    assert waited(WELL, WAITS, promoted)
    assert not waited(WELL, told, promoted)


def flights(**changes: Any) -> list[Snapshot]:
    """Return looks of a story of flights that goes as it should."""
    drifted = {
        "conditions": [{"type": "DriftDetected", "status": "True"}],
        "decision": {"action": "Retrain"},
    }
    promoted = drifted | {"candidate": {"verdict": "Better", "state": "Promoted"}}
    before = Snapshot(
        at=40.0, sent=FLIGHTS.rows - FLIGHTS.reserve, refused=0, window_rows=10_000.0, drift=1.06,
        rmse=27.5, error=0.5, policy={"status": drifted},
    )  # fmt: skip
    after = replace(before, sent=FLIGHTS.rows, rmse=24.0, policy={"status": promoted})
    return [before, *[replace(after, **changes)] * 5]


def test_flights_hold_all_claims_and_the_story_ends() -> None:
    looks = flights()

    assert [sentence for sentence, held in FLIGHTS.claims(looks) if not held] == []
    assert FLIGHTS.is_over(looks, True)
    assert not FLIGHTS.is_over(looks, False)
    assert not FLIGHTS.is_over(looks[:-1], True)
    assert not FLIGHTS.is_over(looks[:1] * 5, True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sent": FLIGHTS.rows - 1}, "flights were sent"),
        ({"refused": 1}, "none was refused"),
        ({"rmse": 28.0}, "the error fell"),
        ({"rmse": None}, "the error fell"),
        ({"window_rows": 9_000.0}, "the error fell"),
        ({"policy": {"status": {"candidate": {"verdict": "NotBetter"}}}}, "better on flights"),
        ({"policy": {"status": {}}}, "promoted"),
    ],
)
def test_each_claim_of_the_flights_can_break(change: dict[str, Any], problem: str) -> None:
    claims = FLIGHTS.claims(flights(**change))

    assert any(problem in sentence for sentence, held in claims if not held)


def test_cancelled_flights_are_sent_without_a_label_and_without_a_delay() -> None:
    rows = FLIGHT_DELAY.rows(FLIGHTS.stream)
    cancelled = [row for row in rows if row.label is None]
    never_left = [row for row in cancelled if "dep_delay" not in row.body]

    assert len(rows) == FLIGHTS.rows
    assert (len(cancelled), len(never_left)) == (1132, 940)
    assert all("arr_delay" not in row.body for row in rows)
    times = [str(row.body["scheduled_departure"]) for row in rows]
    assert times == sorted(times)
    assert len({row.body["flight_id"] for row in rows}) == len(rows)


def test_error_of_a_few_stormy_flights_is_not_compared() -> None:
    looks = flights()
    early = replace(looks[0], window_rows=2_500.0, rmse=40.0)

    claims = FLIGHTS.claims([early, *looks])

    assert ("the error fell: RMSE 27.50 -> 24.00 minutes", True) in claims
