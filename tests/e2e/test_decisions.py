"""What a policy does on what the real monitor measures: refuse, fall back, and come back."""

from typing import Any

import pytest
import yaml
from support.cluster_faults import database_of
from support.cluster_load import send_rides, some_rides
from support.cluster_policies import (
    delete_policy,
    events_of,
    falling_back,
    retraining,
    status_of,
    traffic_of,
)
from support.waiting import wait_for

from taxi_domain.models import MODEL_NAME, Alias
from taxi_store.registry.registry import Registry
from taxi_stories.forwards import patient_get
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.rows import TAXI_SCHEMA, LabelledBody, read_rides
from taxi_stories.story import EXAMPLES, SAMPLES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

WINDOW = 500
#: Prometheus finds a new release within two minutes, where it is not kept from it.
PATIENCE = 400


@pytest.fixture(scope="module")
def own_values() -> dict[str, Any]:
    """Make windows small, so that good and bad labels displace each other soon."""
    sizes = {"windowRows": WINDOW, "errorWindowRows": WINDOW, "minRows": 300}
    return {"monitor": {**sizes, "evaluationSeconds": 2}}


def state_of(release: Release) -> dict[str, Any]:
    """Return all that a refused candidate must not change."""
    with database_of(release) as database:
        alias = Registry(database).alias(MODEL_NAME, Alias.CHAMPION)
    selector = "app.kubernetes.io/component in (predictor, fallback)"
    pods = release.kubectl.get("pods", "-l", selector)["items"]
    deployment = release.kubectl.get("deployment", "taxi-predictor")
    return {
        "alias": alias,
        "pods": sorted(one["metadata"]["name"] for one in pods),
        "template": deployment["spec"]["template"],
        "traffic": traffic_of(release),
    }


def test_refused_candidate_changes_nothing_and_leaves_its_numbers(breakable: Release) -> None:
    send_rides(breakable, some_rides(3000))
    before = state_of(breakable)
    # On quiet weeks nothing can be half as wrong as the champion.
    gate = {"champion": {"minLabelledRows": 500, "minRelativeGain": "0.5", "confidence": "0.95"}}

    breakable.kubectl.apply(retraining(breakable, "hopeless", gate=gate))
    wait_for(
        "end of the run",
        lambda: status_of(breakable, "hopeless").get("run", {}).get("endedAt"),
        seconds=400,
    )

    status = status_of(breakable, "hopeless")
    candidate = status["candidate"]
    assert status["run"]["state"] == "Refused"
    assert (candidate["state"], candidate["verdict"]) == ("Refused", "NotBetter")
    assert float(candidate["championRmse"]) > 0
    assert float(candidate["candidateRmse"]) > 0
    assert float(candidate["gain"]) < 0.5
    assert candidate["evaluatedRows"] >= 500
    told = {"RetrainDecided", "RetrainStarted", "CandidateRefused", "DriftDetectedTrue"}
    # The last one is posted after the end is saved.
    wait_for("events", lambda: told <= events_of(breakable, "hopeless"), seconds=PATIENCE)
    assert "CandidatePromoted" not in events_of(breakable, "hopeless")
    assert state_of(breakable) == before
    delete_policy(breakable, "hopeless")


def error_signal() -> dict[str, Any]:
    """Return the signal of the example for production, in a hurry."""
    policy = yaml.safe_load((EXAMPLES / "production.yaml").read_text())
    (signal,) = [one for one in policy["spec"]["signals"] if one["name"] == "error-critical"]
    found: dict[str, Any] = signal
    found["enter"]["for"] = found["exit"]["for"] = "10s"
    found["minSamples"]["value"] = 300
    return found


def far_off(rides: list[LabelledBody]) -> list[LabelledBody]:
    """Give rides durations that no model of rides expects."""
    return [LabelledBody(one.body, 59.0 if one.label < 30 else 1.0) for one in rides]


def uncut(rides: list[LabelledBody]) -> list[LabelledBody]:
    """Give every fiftieth ride a real label outside of the target's limits.

    The rides of 2021 were cut before TLC published them; those of 2020 were not.
    """
    is_evaluated = TAXI_SCHEMA.target.is_evaluated
    real = read_rides(SAMPLES / "green-2020-03-after.parquet")
    labels = sorted((one.label for one in real if not is_evaluated(one.label)), reverse=True)
    assert labels[9] > 600
    return [
        one if number % 50 else LabelledBody(one.body, labels[number // 50 % len(labels)])
        for number, one in enumerate(rides)
    ]


def test_traffic_leaves_a_champion_that_errs_and_returns_when_it_is_well(
    breakable: Release, prometheus: Prometheus
) -> None:
    def model_role() -> str:
        with breakable.predictor() as predictor:
            return str(patient_get(predictor, "/v1/model", timeout_seconds=20).json()["model_role"])

    send_rides(breakable, uncut(some_rides(WINDOW)))
    breakable.kubectl.apply(falling_back(breakable, "errs", error_signal()))
    wait_for("first look", lambda: status_of(breakable, "errs").get("signals"), seconds=PATIENCE)
    # Longer than the policy needs to act.
    where = f'{{namespace="{breakable.kubectl.namespace}",model_role="champion"}}[20s]'
    share = f"max(min_over_time(taxi_monitor_labels_outside_ratio{where}))"
    wait_for(
        "share outside of the limits", lambda: (prometheus.value(share) or 0) > 0.015,
        seconds=PATIENCE,
    )  # fmt: skip
    assert (prometheus.value(share) or 0) < 0.025
    errors = prometheus.value(f"max(max_over_time(taxi_monitor_error_score_ratio{where}))")
    assert errors is not None
    assert errors < 1, "meters that were left on for hours are no error of the model"
    assert traffic_of(breakable) == "predictor"
    assert "FallbackDecided" not in events_of(breakable, "errs")

    send_rides(breakable, far_off(some_rides(WINDOW + 100)))
    wait_for("fallback", lambda: traffic_of(breakable) == "fallback", seconds=PATIENCE)
    assert model_role() == "fallback"

    # The fallback answers; what the champion would have said is compared with these labels.
    send_rides(breakable, uncut(some_rides(WINDOW + 100)))
    wait_for("champion", lambda: traffic_of(breakable) == "predictor", seconds=PATIENCE)
    assert model_role() == "champion"

    told = {"FallbackDecided", "FallbackActivated", "RestoreDecided", "ChampionRestored"}
    wait_for("events", lambda: told <= events_of(breakable, "errs"), seconds=PATIENCE)
    delete_policy(breakable, "errs")
