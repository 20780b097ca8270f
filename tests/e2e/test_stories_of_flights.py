"""Another model by the same chart, beside a release of the rides in one namespace."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from support.cluster_faults import database_of
from support.cluster_policies import condition_of, status_of
from support.told_stories import ToldStory
from support.waiting import wait_for

from taxi_domain.kube import DECISION_LABEL, PLURAL
from taxi_domain.models import Alias
from taxi_domain.mongodb import LABELS, PREDICTIONS, RUNS
from taxi_files.reading import read_file
from taxi_schema.columns.limits import evaluated
from taxi_store.registry.registry import Registry
from taxi_stories.flights import FLIGHTS
from taxi_stories.kubectl import Kubectl
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_train.artifact.onnx_model import model_of
from taxi_train.data.rows import features_of

LONGEST = 3600
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(LONGEST + 600)]

EXAMPLE = FLIGHTS.example
WHERE = f'namespace="{FLIGHTS.place}"'
assert FLIGHTS.neighbour is not None
BESIDE = FLIGHTS.neighbour


#: When the story begins: an earlier one of the same namespace must not be asked.
BEGIN = time.time()


def span() -> str:
    """Return the time of the story as a range of a query: what was, and not only what is."""
    return f"[{int(time.time() - BEGIN)}s]"


@pytest.fixture(scope="module")
def flights(context: str, flights_story: ToldStory) -> Iterator[Release]:
    """Return the story's release; the story checked its claims, and both releases stay."""
    flights_story.join(LONGEST)
    yield Release(Kubectl(context, FLIGHTS.place), FLIGHTS.release)
    flights_story.remove()


@pytest.fixture(scope="module")
def taxi(flights: Release) -> Release:
    return Release(flights.kubectl, BESIDE.release)


def test_every_flight_is_logged_and_every_label_joined(
    flights: Release, prometheus: Prometheus
) -> None:
    rows = EXAMPLE.rows(FLIGHTS.stream)
    with database_of(flights) as database:
        logged = set(database[PREDICTIONS].distinct("_id"))
        labels = {one["_id"]: one for one in database[LABELS].find()}

    assert logged == {row.body["flight_id"] for row in rows}
    assert set(labels) == {row.body["flight_id"] for row in rows if row.label is not None}
    counted = prometheus.value(
        f"sum(max_over_time(taxi_predictor_predictions_total{{{WHERE},"
        f'model="{EXAMPLE.model}",model_role="champion"}}{span()}))'
    )
    # The last answers of a pod that the promotion replaced may be in no scrape.
    assert counted is not None
    assert counted > 0.9 * len(rows)


def test_drift_and_error_are_those_of_the_flights(flights: Release, prometheus: Prometheus) -> None:
    def highest(name: str, more: str = "") -> float:
        labels = f'{WHERE},model="{EXAMPLE.model}",model_role="champion"{more}'
        found = prometheus.value(f"max(max_over_time({name}{{{labels}}}{span()}))")
        assert found is not None
        return found

    assert highest("taxi_monitor_drift_score_ratio") > 1
    assert highest("taxi_monitor_error_rmse", ',source="actual"') > 25
    ((about, _),) = wait_for(
        "what the model is about",
        lambda: prometheus.query(
            f'group by (target, unit) (taxi_monitor_model_info{{{WHERE},model="{EXAMPLE.model}"}})'
        ),
    )
    assert about == {"target": "arr_delay", "unit": "minutes"}


def test_no_release_exports_the_other_ones_model(flights: Release, prometheus: Prometheus) -> None:
    series = f'{{__name__=~"taxi_.+",{WHERE},model!=""}}'
    found = prometheus.query(f"count by (job, model) (last_over_time({series}{span()}))")

    exported = {(labels["job"], labels["model"]) for labels, _ in found}
    assert exported == {
        (f"{release}-{part}", example.model)
        for release, example in ((FLIGHTS.release, EXAMPLE), (BESIDE.release, BESIDE.example))
        for part in ("predictor", "fallback", "monitor")
    }


def test_one_retraining_is_promoted_and_its_verdict_is_told(flights: Release) -> None:
    status = status_of(flights, FLIGHTS.name)
    candidate = status["candidate"]
    with database_of(flights) as database:
        (run,) = database[RUNS].find()
        champion = Registry(database).alias(EXAMPLE.model, Alias.CHAMPION)

    assert status["run"]["state"] == "Promoted"
    assert (candidate["verdict"], run["result"]) == ("Better", "Better")
    assert float(candidate["candidateRmse"]) < float(candidate["championRmse"])
    assert run["numbers"]["candidate_rmse"] < run["numbers"]["champion_rmse"]
    assert champion is not None
    assert champion.version == run["candidate"]
    jobs = flights.kubectl.get("jobs", "-l", DECISION_LABEL)["items"]
    assert [job["metadata"]["name"].startswith("flights-") for job in jobs] == [True]


def test_new_champion_errs_less_than_the_old_one_would_have_on_the_same_flights(
    flights: Release,
) -> None:
    """The weather changes too: a window after the promotion alone would not show it."""
    with database_of(flights) as database:
        registry = Registry(database)
        champion = registry.alias(EXAMPLE.model, Alias.CHAMPION)
        assert champion is not None
        assert champion.previous is not None
        old = model_of(registry.load(champion.previous))
        answered = {
            one["_id"]: float(one["prediction"])
            for one in database[PREDICTIONS].find({"model_version": champion.version})
        }
    path = EXAMPLE.folder / "samples" / f"{FLIGHTS.stream}.parquet"
    rows = read_file(EXAMPLE.schema, path).rows(EXAMPLE.schema)
    ids = [str(row.body["flight_id"]) for row in EXAMPLE.rows(FLIGHTS.stream)]
    chosen = np.array([name in answered for name in ids])
    chosen &= evaluated(EXAMPLE.schema.target, rows.target)
    new = np.array([answered[name] for name, use in zip(ids, chosen, strict=True) if use])
    same = rows[chosen]

    assert len(same) > 15_000
    errors = new - same.target, old.predict(features_of(EXAMPLE.schema, same)) - same.target
    ours, theirs = (float(np.sqrt(np.mean(error**2))) for error in errors)
    assert ours < theirs, (ours, theirs)


def test_release_of_the_rides_is_as_it_was(taxi: Release) -> None:
    rides = BESIDE.example.rows(BESIDE.stream)[: BESIDE.rows]
    with database_of(taxi) as database:
        registry = Registry(database)
        logged = set(database[PREDICTIONS].distinct("_id"))
        champion = registry.alias(BESIDE.example.model, Alias.CHAMPION)
        models = registry.list(BESIDE.example.model)
        runs = database[RUNS].count_documents({})
        others = registry.list(EXAMPLE.model)
    # One scrape that fails leaves a signal without data until the next one.
    wait_for(
        "data of all signals",
        lambda: condition_of(taxi, BESIDE.release, "MetricsAvailable").get("status") == "True",
    )
    status = taxi.kubectl.get(PLURAL, BESIDE.release)["status"]

    assert logged == {ride.body["ride_id"] for ride in rides}
    assert champion is not None
    assert champion.previous is None
    assert len(models) == 2, "champion and fallback of the first model"
    assert (runs, others) == (0, [])
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    assert conditions["Ready"] == "True"
    assert conditions["DriftDetected"] == "False"
    assert not status.get("decision")
    assert not status.get("run")
