"""The train Job with real rides and the real mongod."""

import io
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fixtures_mongod import Mongod
from pymongo.database import Database

from taxi_domain.features import Features, calendar_of
from taxi_domain.models import ERROR_FILE, MODEL_NAME, ONNX_FILE, REFERENCE_FILE, Alias, ModelState
from taxi_domain.records import Label, PredictionRecord
from taxi_domain.rides import Ride
from taxi_domain.runs import EXIT_DATA_QUALITY, EXIT_FAILED, EXIT_USAGE, RunResult
from taxi_profiles.reference import PREDICTION, TARGET
from taxi_store import log
from taxi_store.connection import Document, connect
from taxi_store.registry import Registry
from taxi_store.runs import RunStore
from taxi_train.bootstrap import bootstrap
from taxi_train.gate import GateRules
from taxi_train.main import SAMPLES
from taxi_train.onnx_export import OnnxModel
from taxi_train.packing import reference_rides
from taxi_train.quality import DataQualityError
from taxi_train.retraining import LOG_UNTIL, RunRules, evaluate, retrain
from taxi_train.rides import Rides, read_file

pytestmark = pytest.mark.component
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time
RULES = RunRules(gate=GateRules(min_labelled_rows=1000))


def clock() -> datetime:
    return NOW


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        yield client[f"train-{uuid.uuid4().hex[:8]}"]


def log_rides(database: Database[Document], rides: Rides, first: int = 0) -> None:
    records, labels = [], []
    for number in range(len(rides)):
        pickup_at = EPOCH + timedelta(seconds=float(rides.moment[number]))
        hour, weekday = calendar_of(pickup_at)
        miles = float(rides.distance[number])
        zones = int(rides.pickup[number]), int(rides.dropoff[number])
        ride_id = f"ride-{first + number:06d}"
        records.append(
            PredictionRecord(
                ride_id,
                NOW + timedelta(seconds=first + number),
                MODEL_NAME,
                "champion",
                "champion",
                Ride(*zones, miles, pickup_at, ride_id),
                Features(*zones, miles, hour, weekday),
                1.0,
            ).to_document()
        )
        labels.append(Label(ride_id, float(rides.duration[number]), NOW))
    log.insert_records(database, records, NOW)
    log.insert_labels(database, labels, NOW)


def before() -> Rides:
    return read_file(SAMPLES / "green-2020-03-before.parquet")[-40_000:]


def after() -> Rides:
    return read_file(SAMPLES / "green-2020-03-after.parquet")


def test_first_models_are_made_once(database: Database[Document]) -> None:
    first = bootstrap(database, MODEL_NAME, before, clock)

    def never() -> Rides:
        raise AssertionError("read although both models exist")

    again = bootstrap(database, MODEL_NAME, never, clock)

    assert first == again
    assert set(first) == {Alias.CHAMPION, Alias.FALLBACK}
    assert Registry(database).get(first[Alias.CHAMPION]).state is ModelState.ACCEPTED


def test_collapse_gives_a_better_candidate_and_the_next_run_sees_only_new_rides(
    database: Database[Document],
) -> None:
    versions = bootstrap(database, MODEL_NAME, before, clock)
    rides = after()
    log_rides(database, rides[:5000])

    result = retrain(database, MODEL_NAME, "run-1", RULES, clock)
    again = retrain(database, MODEL_NAME, "run-1", RULES, clock)

    run = RunStore(database).get("run-1")
    assert result is again is RunResult.BETTER
    assert run is not None
    assert run.candidate is not None
    assert run.champion == versions[Alias.CHAMPION]
    assert run.numbers["gain"] > 0.1
    assert run.numbers["evaluated_rows"] == 1500
    assert run.numbers["candidate_rmse"] < run.numbers["fallback_rmse"]
    registry = Registry(database)
    candidate = registry.load(run.candidate)
    assert candidate.card[LOG_UNTIL] < (NOW + timedelta(seconds=3500)).isoformat()
    alias = registry.alias(MODEL_NAME, Alias.CHAMPION)
    assert alias is not None
    assert alias.version == versions[Alias.CHAMPION], "a Job never moves an alias"

    registry.move_alias(
        MODEL_NAME, Alias.CHAMPION, to=run.candidate, expected=alias.version, by="t", now=NOW
    )
    assert retrain(database, MODEL_NAME, "run-2", RULES, clock) is RunResult.TOO_FEW_LABELS
    log_rides(database, rides[5000:9000], first=5000)
    later = evaluate(database, MODEL_NAME, "run-3", versions[Alias.CHAMPION], RULES, clock)
    assert later is RunResult.NOT_BETTER


def test_refused_candidate_changes_nothing_but_its_own_state(database: Database[Document]) -> None:
    versions = bootstrap(
        database, MODEL_NAME, lambda: read_file(SAMPLES / "green-2021-01.parquet"), clock
    )
    log_rides(database, read_file(SAMPLES / "green-2021-02-head.parquet")[:5000])

    result = retrain(database, MODEL_NAME, "run-1", RULES, clock)

    run = RunStore(database).get("run-1")
    assert result is RunResult.NOT_BETTER
    assert run is not None
    assert run.candidate is not None
    assert Registry(database).get(run.candidate).state is ModelState.REJECTED
    alias = Registry(database).alias(MODEL_NAME, Alias.CHAMPION)
    assert alias is not None
    assert alias.version == versions[Alias.CHAMPION]


def test_repeated_rides_fail_the_quality_check(database: Database[Document]) -> None:
    bootstrap(database, MODEL_NAME, before, clock)
    log_rides(database, after()[np.zeros(4000, dtype=np.int64)])

    with pytest.raises(DataQualityError, match="distance"):
        retrain(database, MODEL_NAME, "run-1", RULES, clock)

    run = RunStore(database).get("run-1")
    assert run is not None
    assert run.result is RunResult.DATA_QUALITY_FAILED


def test_same_rides_give_the_same_digest_and_the_fallback_is_robust(
    database: Database[Document],
) -> None:
    first = bootstrap(database, MODEL_NAME, before, clock)
    database.aliases.delete_many({})
    assert bootstrap(database, MODEL_NAME, before, clock) == first
    fallback = OnnxModel(Registry(database).load(first[Alias.FALLBACK]).files[ONNX_FILE])
    zones = np.tile(np.arange(1.0, 266.0), 101)
    miles = np.repeat(np.arange(0.0, 101.0), 265)
    rides = Rides(zones, zones[::-1], miles, np.full(len(zones), np.nan), zones, zones)

    answers = fallback.predict(rides.features())

    assert np.isfinite(answers).all()
    assert answers.min() >= 1
    assert answers.max() <= 60
    assert (np.diff(answers.reshape(101, 265)[:, 0]) >= 0).all()


def test_error_is_estimated_before_labels_arrive(database: Database[Document]) -> None:
    first = bootstrap(database, MODEL_NAME, before, clock)
    artifact = Registry(database).load(first[Alias.CHAMPION])
    model = OnnxModel(artifact.files[ERROR_FILE])
    with np.load(io.BytesIO(artifact.files[REFERENCE_FILE])) as reference:
        errors = np.abs(reference[PREDICTION] - reference[TARGET])
    rides = reference_rides(artifact.files[REFERENCE_FILE])

    estimated = model.predict(rides.features())

    assert estimated.mean() == pytest.approx(artifact.card["metrics"]["mae"], rel=0.05)
    far = rides.distance > 8
    assert estimated[far].mean() == pytest.approx(errors[far].mean(), rel=0.1)
    assert estimated[far].mean() > 1.5 * estimated[~far].mean()


def command(*words: str, uri: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    if uri:
        env |= {"TAXI_MONGODB_URI": uri, "TAXI_TRAIN_PATIENCE_SECONDS": "20"}
    return subprocess.run(
        [sys.executable, "-m", "taxi_train.main", *words],
        capture_output=True, text=True, timeout=120, env=env, check=False,
    )  # fmt: skip


def test_command_line_ends_with_codes_and_reasons(mongod: Mongod, tmp_path: Path) -> None:
    damaged = tmp_path / "rides.parquet"
    damaged.write_bytes(b"PAR1 nothing PAR1")

    no_settings = command("run")
    no_champion = command("run", uri=mongod.uri)
    no_file = command("bootstrap", "--data", "nowhere.parquet", uri=mongod.uri)
    bad_file = command("bootstrap", "--data", str(damaged), uri=mongod.uri)

    assert (no_settings.returncode, "TAXI_MONGODB_URI" in no_settings.stderr) == (EXIT_USAGE, True)
    assert (no_champion.returncode, "bootstrap" in no_champion.stderr) == (EXIT_FAILED, True)
    assert (no_file.returncode, "nowhere.parquet" in no_file.stderr) == (EXIT_FAILED, True)
    assert (bad_file.returncode, "rides.parquet" in bad_file.stderr) == (EXIT_FAILED, True)
    assert EXIT_DATA_QUALITY == 42
