"""The train Job with real rides and the real mongod."""

import json
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
from pymongo.database import Database
from support.artifacts import artifact_for

from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    MODEL_NAME,
    Alias,
    ModelState,
)
from taxi_domain.records import Label, PredictionRecord
from taxi_domain.runs import EXIT_DATA_QUALITY, EXIT_FAILED, EXIT_USAGE, RunResult
from taxi_duration.trips import SCHEMA_FILE, taxi_schema
from taxi_files.reading import read_file
from taxi_local.mongod import Mongod
from taxi_schema.columns.limits import evaluated
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_store.admin.audit import Action, Stage, entries
from taxi_store.connection import Document, connect
from taxi_store.log import prediction_log as log
from taxi_store.log.malformed import Unreadable
from taxi_store.registry.artifacts import Artifact, digest_of
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_train.artifact.builder import reference_rows
from taxi_train.artifact.onnx_model import check_limits, model_of
from taxi_train.data.quality import DataQualityError
from taxi_train.data.rows import features_of, within_limits
from taxi_train.data.split import split
from taxi_train.fitting.candidates import Trainer
from taxi_train.runs.bootstrap import bootstrap
from taxi_train.runs.explain import explanation
from taxi_train.runs.gate import GateRules
from taxi_train.runs.observing import Observation, observe
from taxi_train.runs.retraining import RunRules, evaluate, retrain
from taxi_train.runs.run import Run
from taxi_train.runs.unseen import LOG_UNTIL

pytestmark = pytest.mark.component
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
RULES = RunRules(gate=GateRules(min_labelled_rows=1000))
SCHEMA = taxi_schema()
TRAINER = Trainer(SCHEMA)
SAMPLES = SCHEMA_FILE.parent / "samples"
SCHEMA_OPTION = ("--schema", str(SCHEMA_FILE))


def clock() -> datetime:
    return NOW


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        yield client[f"train-{uuid.uuid4().hex[:8]}"]


def log_rides(database: Database[Document], rides: LabelledRows, first: int = 0) -> None:
    records, labels = [], []
    columns = {name: values.tolist() for name, values in rides.columns.items()}
    for number, event_time in enumerate(rides.event_times.tolist()):
        ride_id = f"ride-{first + number:06d}"
        records.append(
            PredictionRecord(
                ride_id,
                NOW + timedelta(seconds=first + number),
                event_time,
                MODEL_NAME,
                "champion",
                "champion",
                {name: values[number] for name, values in columns.items()},
                1.0,
            ).to_document()
        )
        labels.append(Label(ride_id, float(rides.target[number]), NOW))
    log.insert_records(database, records, NOW)
    log.insert_labels(database, labels, NOW, Unreadable())


def everything(name: str) -> LabelledRows:
    return read_file(SCHEMA, SAMPLES / f"{name}.parquet").rows(SCHEMA)


def usable(name: str) -> LabelledRows:
    rows = everything(name)
    return rows[within_limits(SCHEMA, rows)]


def before() -> LabelledRows:
    return usable("green-2020-03-before")[-40_000:]


def after() -> LabelledRows:
    return usable("green-2020-03-after")


@pytest.fixture(scope="module")
def first_models() -> dict[Alias, Artifact]:
    """Both first models of the rides before the collapse, made once for many tests."""
    return {
        Alias.CHAMPION: TRAINER.train(before()), Alias.FALLBACK: TRAINER.train_fallback(before()),
    }  # fmt: skip


@pytest.fixture
def versions(database: Database[Document], first_models: dict[Alias, Artifact]) -> dict[Alias, str]:
    """Put the first models into the registry."""
    registry = Registry(database)
    for alias, artifact in first_models.items():
        version = registry.add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        registry.move_alias(MODEL_NAME, alias, to=version, expected=None, by="t", now=NOW)
    return {alias: artifact.version for alias, artifact in first_models.items()}


def test_first_models_are_made_once(database: Database[Document]) -> None:
    first = bootstrap(database, MODEL_NAME, TRAINER, before, clock)

    def never() -> LabelledRows:
        raise AssertionError("read although both models exist")

    again = bootstrap(database, MODEL_NAME, TRAINER, never, clock)

    assert first == again
    assert set(first) == {Alias.CHAMPION, Alias.FALLBACK}
    assert Registry(database).get(first[Alias.CHAMPION]).state is ModelState.ACCEPTED
    noted = [one for one in entries(database, 10) if one.stage is Stage.DONE]
    assert {one.what["alias"]: (one.before["version"], one.after["version"]) for one in noted} == {
        alias: (None, version) for alias, version in first.items()
    }
    assert {(one.action, one.by) for one in noted} == {(Action.PROMOTE, "first-model")}


def test_collapse_gives_a_better_candidate_and_the_next_run_sees_only_new_rides(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
    rides = after()
    log_rides(database, rides[:5000])

    result = retrain(Run(database, MODEL_NAME, "run-1", clock), RULES)
    again = retrain(Run(database, MODEL_NAME, "run-1", clock), RULES)

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
    assert retrain(Run(database, MODEL_NAME, "run-2", clock), RULES) is RunResult.TOO_FEW_LABELS
    log_rides(database, rides[5000:9000], first=5000)
    later = evaluate(Run(database, MODEL_NAME, "run-3", clock), versions[Alias.CHAMPION], RULES)
    assert later is RunResult.NOT_BETTER


def test_refused_candidate_changes_nothing_but_its_own_state(database: Database[Document]) -> None:
    versions = bootstrap(database, MODEL_NAME, TRAINER, lambda: usable("green-2021-01"), clock)
    log_rides(database, usable("green-2021-02-head")[:5000])
    rules = RunRules(gate=GateRules(min_labelled_rows=1000, min_relative_gain=0.1))

    result = retrain(Run(database, MODEL_NAME, "run-1", clock), rules)

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

    assert retrain(Run(database, MODEL_NAME, "run-1", clock), RULES) is RunResult.TOO_FEW_LABELS
    run = RunStore(database).get("run-1")
    assert run is not None
    assert run.numbers == {"labelled_rows": rows, "outside_rows": 0, "unreadable_documents": 0}


@pytest.mark.usefixtures("versions")
def test_labels_outside_of_the_targets_limits_are_left_out_and_counted(
    database: Database[Document],
) -> None:
    rides = everything("green-2020-03-after")[:1500]
    rides = rides[rides.columns["trip_distance"] <= 100]
    log_rides(database, rides)

    assert retrain(Run(database, MODEL_NAME, "run-1", clock), RULES) is RunResult.TOO_FEW_LABELS
    run = RunStore(database).get("run-1")
    assert run is not None
    outside = ~evaluated(SCHEMA.target, rides.target)
    assert 20 < outside.sum() == run.numbers["outside_rows"]
    assert run.numbers["labelled_rows"] == len(rides) - outside.sum()


def test_verdict_of_an_evaluation_is_final(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
    RunStore(database).start("run-1", "evaluate", [], NOW)
    RunStore(database).finish("run-1", RunResult.BETTER, now=NOW, message="so it was")

    result = evaluate(Run(database, MODEL_NAME, "run-1", clock), versions[Alias.FALLBACK], RULES)

    run = RunStore(database).get("run-1")
    assert result is RunResult.BETTER
    assert run is not None
    assert run.message == "so it was"


def answered(database: Database[Document], version: str, answers: np.ndarray) -> None:
    """Let the log have a version's answers, as the champion's."""
    for number, answer in enumerate(answers.tolist()):
        change = {"model_version": version, "prediction": answer}
        database["predictions"].update_one({"_id": f"ride-{number:06d}"}, {"$set": change})


@pytest.mark.parametrize(
    ("off", "result"),
    [(6.0, RunResult.WORSE), (0.0, RunResult.NOT_WORSE)],
    ids=["worse", "as good"],
)
def test_realised_error_of_a_champion_is_compared_with_that_of_the_one_before(
    database: Database[Document], versions: dict[Alias, str], off: float, result: RunResult
) -> None:
    """The champion's answers are the log's, those of the version before are made now."""
    rides, before = after()[:1200], versions[Alias.CHAMPION]
    new = versions[Alias.FALLBACK]
    log_rides(database, rides)
    old_model = model_of(Registry(database).load(before))
    answered(database, new, old_model.predict(features_of(SCHEMA, rides)) + off)
    others = [
        {"model_version": before},
        {"model_role": "fallback"},
        {"ts": NOW - timedelta(days=1)},
    ]
    for number, other in enumerate(others):
        database["predictions"].update_one({"_id": f"ride-{number:06d}"}, {"$set": other})
    what = Observation(new, before, NOW, 100_000)
    rules = GateRules(min_labelled_rows=1000)

    found = observe(Run(database, MODEL_NAME, "look-1", clock), what, rules)
    again = observe(Run(database, MODEL_NAME, "look-1", clock), what, rules)

    run = RunStore(database).get("look-1")
    assert found is again is result
    assert run is not None
    assert (run.kind, run.champion, run.candidate) == ("observe", new, None)
    assert run.numbers["labelled_rows"] == run.numbers["evaluated_rows"] == len(rides) - len(others)
    if not off:
        assert run.numbers["champion_rmse"] == pytest.approx(run.numbers["before_rmse"], rel=1e-6)
    few = replace(rules, min_labelled_rows=1198)
    too_few = observe(Run(database, MODEL_NAME, "look-2", clock), what, few)
    assert too_few is RunResult.TOO_FEW_LABELS

    with pytest.raises(DataQualityError, match="gone cannot be compared with"):
        observe(Run(database, MODEL_NAME, "look-3", clock), replace(what, before="gone"), rules)
    lost = RunStore(database).get("look-3")
    assert lost is not None
    assert (lost.result, lost.champion) == (RunResult.DATA_QUALITY_FAILED, new)


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

    with pytest.raises(DataQualityError, match="format 2 is not 3"):
        retrain(Run(database, MODEL_NAME, "run-1", clock), RULES)

    run = RunStore(database).get("run-1")
    assert run is not None
    assert (run.result, run.reason) == (RunResult.DATA_QUALITY_FAILED, "ChampionUnusable")
    assert old[Alias.CHAMPION] in run.message
    assert bootstrap(database, MODEL_NAME, TRAINER, before, clock) == versions
    for alias, version in versions.items():
        entry = Registry(database).alias(MODEL_NAME, alias)
        assert entry is not None
        assert (entry.version, entry.previous) == (version, old[alias])


def test_first_model_with_a_damaged_archive_is_made_whole(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
    database["artifacts.chunks"].update_many({"n": 0}, {"$set": {"data": b"damaged"}})

    assert bootstrap(database, MODEL_NAME, TRAINER, before, clock) == versions
    for version in versions.values():
        Registry(database).load(version)


@pytest.mark.usefixtures("versions")
def test_repeated_rides_fail_the_quality_check(database: Database[Document]) -> None:
    log_rides(database, after()[np.zeros(4000, dtype=np.int64)])

    with pytest.raises(DataQualityError, match="trip_distance"):
        retrain(Run(database, MODEL_NAME, "run-1", clock), RULES)

    run = RunStore(database).get("run-1")
    assert run is not None
    assert run.result is RunResult.DATA_QUALITY_FAILED


def test_same_rides_give_the_same_first_models(
    database: Database[Document], first_models: dict[Alias, Artifact]
) -> None:
    made = bootstrap(database, MODEL_NAME, TRAINER, before, clock)

    assert made == {alias: artifact.version for alias, artifact in first_models.items()}


@pytest.mark.parametrize("kind", ["new", "old-and-new"])
def test_same_rides_give_the_same_candidate(kind: str) -> None:
    rides = usable("green-2020-03-before")
    old, parts = rides[:1500], split(rides[1500:2500], 300)
    if kind == "new":
        old = replace(old, target=old.target[::-1])  # which helps nobody

    first, _ = TRAINER.make_candidate(old, parts)
    second, _ = TRAINER.make_candidate(old, parts)

    assert first.card["kind"] == f"gradient-boosting-{kind}"
    assert first.digest == second.digest


def test_rides_that_promotions_hand_on_stay_bounded() -> None:
    """What a candidate was fitted on is the old rides of the next one, when it is promoted."""
    rides = usable("green-2020-03-before")
    old, most = rides[:1500], 1200
    for end in (2300, 3100):
        parts = split(rides[end - 800 : end], 300)
        candidate, _ = Trainer(SCHEMA, max_rows=most).make_candidate(old, parts)
        old = reference_rows(SCHEMA, candidate)

        assert candidate.card["kind"] == "gradient-boosting-old-and-new"
        assert len(old) == most
        new = np.concatenate([parts.fit.event_times, parts.choose.event_times])
        assert (old.event_times[-500:] == new).all(), "all of the new ones"


def test_first_models_answer_at_the_limits(first_models: dict[Alias, Artifact]) -> None:
    for artifact in first_models.values():
        check_limits(artifact.files)


def test_fallback_is_a_rising_function_of_the_distance_alone(
    first_models: dict[Alias, Artifact],
) -> None:
    """So what holds for each distance holds for every zone pair, hour and weekday."""
    fallback = model_of(first_models[Alias.FALLBACK])
    miles = np.arange(0, 100.001, 0.001)
    features = everywhere(np.ones(len(miles)), np.ones(len(miles)), miles)

    answers = fallback.predict(features)
    elsewhere = fallback.predict(features.assign(PULocationID=-5, PU_DO=7, hour=np.nan))

    assert ((answers >= 1) & (answers <= 60)).all()
    assert (np.diff(answers) >= 0).all()
    assert (answers == elsewhere).all()


@pytest.mark.parametrize("miles", [0.0, 0.3, 2.5, 30.0, 100.0])
@pytest.mark.parametrize("moment", ["NaT", "1971-04-08T07:06:40"])
def test_champion_answers_every_zone_pair(
    first_models: dict[Alias, Artifact], miles: float, moment: str
) -> None:
    champion = model_of(first_models[Alias.CHAMPION])
    zones = np.arange(1, 266)

    answers = champion.predict(
        everywhere(np.repeat(zones, 265), np.tile(zones, 265), miles, moment)
    )

    assert len(answers) == 70_225
    assert np.isfinite(answers).all()
    assert ((answers >= 1) & (answers <= 60)).all()


def everywhere(
    pickup: np.ndarray, dropoff: np.ndarray, miles: float | np.ndarray, moment: str = "NaT"
) -> pd.DataFrame:
    rows = np.zeros(len(pickup))
    columns = {
        "PULocationID": pickup.astype(np.int64), "DOLocationID": dropoff.astype(np.int64),
        "trip_distance": rows + miles,
    }  # fmt: skip
    times = np.full(len(pickup), np.datetime64(moment, "us"))
    return features_of(SCHEMA, LabelledRows(columns, times, rows, rows, rows))


def document_of(schema: Schema) -> Document:
    """Return a schema as its file has it."""
    document: Document = json.loads(schema.to_json())
    document["derived"] = {
        derived["name"]: {key: value for key, value in derived.items() if key != "name"}
        for derived in document["derived"]
    }
    return document


def with_tip(required: bool) -> Schema:
    document = document_of(SCHEMA)
    tip = {"name": "tip", "kind": "number", "nullable": not required}
    return schema_of(document | {"columns": [*document["columns"], tip]})


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize("required", [False, True])
def test_a_new_schema_gives_a_candidate_that_a_person_may_have_to_accept(
    database: Database[Document], required: bool
) -> None:
    """Its new column was logged before: clients sent it as a field that was not declared."""
    log_rides(database, after()[:5000])
    number = {"$toInt": {"$substrBytes": ["$_id", 5, 6]}}
    tip = {"$toDouble": {"$mod": [number, 61]}}
    database["predictions"].update_many({}, [{"$set": {"extra": {"tip": tip}}}])
    schema = with_tip(required)

    result = retrain(Run(database, MODEL_NAME, "run-1", clock), replace(RULES, schema=schema))

    run = RunStore(database).get("run-1")
    assert run is not None
    assert run.candidate is not None
    assert run.numbers["gain"] > 0.1
    candidate = Registry(database).load(run.candidate)
    assert len(np.unique(reference_rows(schema, candidate).columns["tip"][-3000:])) == 61
    if required:
        assert (result, run.reason) == (RunResult.SCHEMA_CHANGED, "SchemaChanged")
        assert "tip is required, was absent" in run.message
        assert Registry(database).get(run.candidate).state is ModelState.REJECTED
    else:
        assert result is RunResult.BETTER


@pytest.mark.parametrize(
    ("key", "change", "text"),
    [
        ("target", {"unit": "seconds"}, "target's unit is seconds, was minutes"),
        ("target", {"name": "wait"}, "target is wait, was duration"),
        ("event_time", {"timezone": "UTC"}, "event_time's timezone is UTC, was America/New_York"),
        ("columns", {"unit": "km"}, "trip_distance's unit is km, was miles"),
    ],
)
def test_rows_of_another_meaning_end_a_run_before_its_fit(
    database: Database[Document], key: str, change: Document, text: str
) -> None:
    document = document_of(SCHEMA)
    changed = document[key]
    if key == "columns":
        (changed,) = (column for column in changed if column["name"] == "trip_distance")
    changed.update(change)
    registry = Registry(database)
    versions = [
        registry.add(artifact_for(schema), model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
        for schema in (SCHEMA, schema_of(document))
    ]
    registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=versions[0], expected=None, by="t", now=NOW)

    trained = retrain(
        Run(database, MODEL_NAME, "run-1", clock), replace(RULES, schema=schema_of(document))
    )
    compared = evaluate(Run(database, MODEL_NAME, "run-2", clock), versions[1], RULES)

    for number, result in ((1, trained), (2, compared)):
        run = RunStore(database).get(f"run-{number}")
        assert run is not None
        assert (result, run.reason) == (RunResult.SCHEMA_CHANGED, "SchemaChanged")
        assert text in run.message
        assert "taxi-train fit" in run.message
        assert run.candidate == (None if number == 1 else versions[1])


def test_a_logged_row_is_explained(
    database: Database[Document], versions: dict[Alias, str]
) -> None:
    log_rides(database, after()[:1])
    database["predictions"].update_one({}, {"$set": {"model_version": versions[Alias.CHAMPION]}})

    explained = explanation(database, Registry(database), "ride-000000")

    pickup, dropoff = explained["input PULocationID"], explained["input DOLocationID"]
    assert explained["feature PU_DO"] == pickup * 1000 + dropoff
    assert explained["feature hour"] == explained["event_time"].hour
    assert 1 <= explained["again duration"] <= 60
    assert explained["label duration"] == after().target[0]
    assert explained["logged duration"] == 1.0


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
    no_schema = command("bootstrap", "--data", str(damaged), uri=mongod.uri)
    no_champion = command("run", uri=mongod.uri)
    no_file = command("bootstrap", *SCHEMA_OPTION, "--data", "nowhere.parquet", uri=mongod.uri)
    bad_file = command("bootstrap", *SCHEMA_OPTION, "--data", str(damaged), uri=mongod.uri)

    assert (no_settings.returncode, "TAXI_MONGODB_URI" in no_settings.stderr) == (EXIT_USAGE, True)
    assert (no_schema.returncode, "--schema" in no_schema.stderr) == (EXIT_USAGE, True)
    assert (no_champion.returncode, "bootstrap" in no_champion.stderr) == (EXIT_FAILED, True)
    assert (no_file.returncode, "nowhere.parquet" in no_file.stderr) == (EXIT_FAILED, True)
    assert (bad_file.returncode, "rides.parquet" in bad_file.stderr) == (EXIT_FAILED, True)
    assert EXIT_DATA_QUALITY == 42
