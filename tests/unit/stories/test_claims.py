"""What the stories claim in the end, and what breaks a claim."""

from dataclasses import replace
from typing import Any

import pytest

from taxi_stories.rows import read_rides
from taxi_stories.scenarios import COLLAPSE, QUIET
from taxi_stories.story import SAMPLES, Snapshot

WELL = Snapshot(
    at=60.0,
    sent=QUIET.rides,
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
        ({"sent": QUIET.rides - 1}, "rides were sent"),
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


def test_stream_of_the_quiet_story_has_one_impossible_ride() -> None:
    rides = read_rides(SAMPLES / f"{QUIET.stream}.parquet")[: QUIET.rides]
    distances = [float(str(ride.body["trip_distance"])) for ride in rides]

    assert len(rides) == QUIET.rides
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
