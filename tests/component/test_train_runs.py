"""The train Job with real rides and the real mongod."""

import io
import json
import math
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.database import Database
from support.mongod import Mongod

from taxi_domain.features import DISTANCE, ERROR_OUTPUT, MODEL_INPUTS, Features, calendar_of
from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    ERROR_FILE,
    MODEL_NAME,
    ONNX_FILE,
    REFERENCE_FILE,
    Alias,
    ModelState,
)
from taxi_domain.records import Label, PredictionRecord
from taxi_domain.rides import Ride
from taxi_domain.runs import EXIT_DATA_QUALITY, EXIT_FAILED, EXIT_USAGE, RunResult
from taxi_profiles.reference import PREDICTION, TARGET
from taxi_store.connection import Document, connect
from taxi_store.log import prediction_log as log
from taxi_store.log.malformed import Unreadable
from taxi_store.registry.artifacts import Artifact, digest_of
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_train.artifact.builder import reference_rides
from taxi_train.artifact.onnx_model import OnnxModel, check_limits
from taxi_train.data.quality import DataQualityError
from taxi_train.data.rides import Rides, read_all, read_file
from taxi_train.data.split import split
from taxi_train.fitting.candidates import make_candidate, train, train_fallback
from taxi_train.main import SAMPLES
from taxi_train.runs.bootstrap import bootstrap
from taxi_train.runs.gate import GateRules
from taxi_train.runs.retraining import LOG_UNTIL, RunRules, evaluate, retrain

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
    log.insert_labels(database, labels, NOW, Unreadable())


def before() -> Rides:
    return read_file(SAMPLES / "green-2020-03-before.parquet")[-40_000:]


def after() -> Rides:
    return read_file(SAMPLES / "green-2020-03-after.parquet")


@pytest.fixture(scope="module")
def first_models() -> dict[Alias, Artifact]:
    """Both first models of the rides before the collapse, made once for many tests."""
    return {Alias.CHAMPION: train(before()), Alias.FALLBACK: train_fallback(before())}


@pytest.fixture
def versions(database: Database[Document], first_models: dict[Alias, Artifact]) -> dict[Alias, str]:
    """Put the first models into the registry."""
    registry = Registry(database)
    for alias, artifact in first_models.items():
        version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        registry.move_alias(MODEL_NAME, alias, to=version, expected=None, by="t", now=NOW)
    return {alias: artifact.version for alias, artifact in first_models.items()}


def test_first_models_are_made_once(database: Database[Document]) -> None:
    first = bootstrap(database, MODEL_NAME, before, clock)

    def never() -> Rides:
        raise AssertionError("read although both models exist")

    again = bootstrap(database, MODEL_NAME, never, clock)

    assert first == again
    assert set(first) == {Alias.CHAMPION, Alias.FALLBACK}
    assert Registry(database).get(first[Alias.CHAMPION]).state is ModelState.ACCEPTED


def test_collapse_gives_a_better_candidate_and_the_next_run_sees_only_new_rides(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
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


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize("rows", [1999, 2000, 2397])
def test_few_rides_are_too_few_labels_and_not_bad_data(
    database: Database[Document], rows: int
) -> None:
    log_rides(database, after()[:rows])

    assert retrain(database, MODEL_NAME, "run-1", RULES, clock) is RunResult.TOO_FEW_LABELS
    run = RunStore(database).get("run-1")
    assert run is not None
    assert run.numbers == {"labelled_rows": rows, "outside_rows": 0, "unreadable_documents": 0}


@pytest.mark.usefixtures("versions")
def test_labels_outside_of_the_targets_limits_are_left_out_and_counted(
    database: Database[Document],
) -> None:
    rides = read_all(SAMPLES / "green-2020-03-after.parquet")[:1500]
    log_rides(database, rides[rides.distance <= 100])

    assert retrain(database, MODEL_NAME, "run-1", RULES, clock) is RunResult.TOO_FEW_LABELS
    run = RunStore(database).get("run-1")
    assert run is not None
    outside = (rides.duration < 1) | (rides.duration > 60)
    assert 20 < outside.sum() == run.numbers["outside_rows"]
    assert run.numbers["labelled_rows"] == len(rides) - outside.sum()


def test_verdict_of_an_evaluation_is_final(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
    RunStore(database).start("run-1", "evaluate", [], NOW)
    RunStore(database).finish("run-1", RunResult.BETTER, now=NOW, message="so it was")

    result = evaluate(database, MODEL_NAME, "run-1", versions[Alias.FALLBACK], RULES, clock)

    run = RunStore(database).get("run-1")
    assert result is RunResult.BETTER
    assert run is not None
    assert run.message == "so it was"


def age(database: Database[Document], alias: Alias) -> str:
    """Let an alias point at an artifact of the format before; return its version."""
    registry = Registry(database)
    now = registry.alias(MODEL_NAME, alias)
    assert now is not None
    files = dict(registry.load(now.version).files)
    files[CARD_FILE] = json.dumps({"format_version": ARTIFACT_FORMAT_VERSION - 1}).encode()
    old = Artifact(digest_of(files), files)
    version = registry.add(old, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
    registry.move_alias(MODEL_NAME, alias, to=version, expected=now.version, by="t", now=NOW)
    return version


def test_champion_of_an_older_format_ends_a_retraining_with_a_reason_and_is_replaced(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
    old = {alias: age(database, alias) for alias in versions}
    log_rides(database, after()[:5000])

    with pytest.raises(DataQualityError, match="format 1 is not 2"):
        retrain(database, MODEL_NAME, "run-1", RULES, clock)

    run = RunStore(database).get("run-1")
    assert run is not None
    assert (run.result, run.reason) == (RunResult.DATA_QUALITY_FAILED, "ChampionUnusable")
    assert old[Alias.CHAMPION] in run.message
    assert bootstrap(database, MODEL_NAME, before, clock) == versions
    for alias, version in versions.items():
        entry = Registry(database).alias(MODEL_NAME, alias)
        assert entry is not None
        assert (entry.version, entry.previous) == (version, old[alias])


def test_first_model_with_a_damaged_archive_is_made_whole(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
    database["artifacts.chunks"].update_many({"n": 0}, {"$set": {"data": b"damaged"}})

    assert bootstrap(database, MODEL_NAME, before, clock) == versions
    for version in versions.values():
        Registry(database).load(version)


@pytest.mark.usefixtures("versions")
def test_repeated_rides_fail_the_quality_check(database: Database[Document]) -> None:
    log_rides(database, after()[np.zeros(4000, dtype=np.int64)])

    with pytest.raises(DataQualityError, match="distance"):
        retrain(database, MODEL_NAME, "run-1", RULES, clock)

    run = RunStore(database).get("run-1")
    assert run is not None
    assert run.result is RunResult.DATA_QUALITY_FAILED


def test_same_rides_give_the_same_first_models(
    database: Database[Document], first_models: dict[Alias, Artifact]
) -> None:
    made = bootstrap(database, MODEL_NAME, before, clock)

    assert made == {alias: artifact.version for alias, artifact in first_models.items()}


@pytest.mark.parametrize("kind", ["new", "old-and-new"])
def test_same_rides_give_the_same_candidate(kind: str) -> None:
    rides = read_file(SAMPLES / "green-2020-03-before.parquet")
    old, parts = rides[:1500], split(rides[1500:2500], 300)
    if kind == "new":
        old = replace(old, duration=old.duration[::-1])  # which helps nobody

    one, _ = make_candidate(old, parts)
    two, _ = make_candidate(old, parts)

    assert one.card["kind"] == f"gradient-boosting-{kind}"
    assert one.digest == two.digest


def test_rides_that_promotions_hand_on_stay_bounded() -> None:
    """What a candidate was fitted on is the old rides of the next one, when it is promoted."""
    rides = read_file(SAMPLES / "green-2020-03-before.parquet")
    old, most = rides[:1500], 1200
    for end in (2300, 3100):
        parts = split(rides[end - 800 : end], 300)
        candidate, _ = make_candidate(old, parts, most)
        old = reference_rides(candidate.files[REFERENCE_FILE])

        assert candidate.card["kind"] == "gradient-boosting-old-and-new"
        assert len(old) == most
        new = np.concatenate([parts.fit.moment, parts.choose.moment])
        assert (old.moment[-500:] == new).all(), "all of the new ones"


def test_first_models_answer_at_the_limits(first_models: dict[Alias, Artifact]) -> None:
    for artifact in first_models.values():
        check_limits(artifact.files)
    assert ERROR_FILE in first_models[Alias.CHAMPION].files


def test_fallback_is_a_rising_function_of_the_distance_alone(
    first_models: dict[Alias, Artifact],
) -> None:
    """So what holds for each distance holds for every zone pair, hour and weekday."""
    fallback = OnnxModel(first_models[Alias.FALLBACK].files[ONNX_FILE])
    miles = np.arange(0, 100.001, 0.001)
    features = everywhere(np.ones(len(miles)), np.ones(len(miles)), miles).features()

    answers = fallback.predict(features)

    assert fallback.inputs == (DISTANCE,)
    assert ((answers >= 1) & (answers <= 60)).all()
    assert (np.diff(answers) >= 0).all()


@given(
    st.integers(-(2**62), 2**62), st.floats(0, 100),
    st.one_of(st.just(math.nan), st.floats(width=32)),
)  # fmt: skip
def test_fallback_is_robust(
    first_models: dict[Alias, Artifact], zone: int, miles: float, hour: float
) -> None:
    fallback = OnnxModel(first_models[Alias.FALLBACK].files[ONNX_FILE])
    row = [zone, zone, zone, miles, hour, hour]
    features = pd.DataFrame([row, [1, 1, 1001, miles, math.nan, math.nan]], columns=MODEL_INPUTS)

    strange, plain = fallback.predict(features)

    assert 1 <= strange == plain <= 60


@pytest.mark.parametrize("miles", [0.0, 0.3, 2.5, 30.0, 100.0])
@pytest.mark.parametrize("moment", [math.nan, 40_000_000.0])
def test_champion_answers_every_zone_pair(
    first_models: dict[Alias, Artifact], miles: float, moment: float
) -> None:
    champion = OnnxModel(first_models[Alias.CHAMPION].files[ONNX_FILE])
    zones = np.arange(1.0, 266.0)
    pairs = everywhere(np.repeat(zones, 265), np.tile(zones, 265), miles, moment)

    answers = champion.predict(pairs.features())

    assert len(answers) == 70_225
    assert np.isfinite(answers).all()
    assert answers.max() < 80, "a fit without bounds goes a little beyond the labels' 60"


def everywhere(
    pickup: np.ndarray, dropoff: np.ndarray, miles: float | np.ndarray, moment: float = math.nan
) -> Rides:
    rows = np.zeros(len(pickup))
    return Rides(pickup, dropoff, rows + miles, rows + moment, rows, rows)


def test_error_is_estimated_before_labels_arrive(first_models: dict[Alias, Artifact]) -> None:
    artifact = first_models[Alias.CHAMPION]
    model = OnnxModel(artifact.files[ERROR_FILE], ERROR_OUTPUT)
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
