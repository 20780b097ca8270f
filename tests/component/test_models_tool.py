"""The registry's tool: moves aliases safely beside others, removes only what nobody needs."""

import io
import json
import shlex
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from pymongo.collection import Collection
from pymongo.database import Database
from support.artifacts import Linear, artifact_for, random_rows
from typer.testing import CliRunner

from taxi_domain.errors import TaxiError
from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_domain.models import MODEL_NAME, ONNX_FILE, SCHEMA_FILE, Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_duration.trips import taxi_schema
from taxi_local.mongod import Mongod, running_mongod
from taxi_schema.reading import schema_of
from taxi_schema.schema import Schema
from taxi_store.admin.audit import Action, Stage, entries
from taxi_store.connection import Document, connect
from taxi_store.registry.artifacts import Artifact, artifact_of, pack
from taxi_store.registry.garbage_collection import Keep, collect
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_train.registry_cli import EXIT_CONFLICT, app, move

pytestmark = pytest.mark.component
NOW = datetime.now(UTC).replace(microsecond=0)
OLD = NOW - timedelta(days=30)
TAXI = taxi_schema()
ROWS = random_rows(TAXI, 60)


def small_artifact(number: int) -> Artifact:
    return artifact_for(TAXI, Linear(number, {"trip_distance": 3.0}), ROWS)


def division_artifact() -> Artifact:
    """Return a model that has no answer for a ride of 0 miles."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])
        for name in ("trip_distance", "duration")
    ]
    node = helper.make_node("Reciprocal", ["trip_distance"], ["duration"])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return artifact_for(TAXI, Linear(), ROWS, graph=bytes(model.SerializeToString()))


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    with running_mongod() as one:
        yield one


@pytest.fixture
def database(server: Mongod, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database[Document]]:
    monkeypatch.setenv("TAXI_MONGODB_URI", server.uri)
    with connect(server.uri, app_name="test") as client:
        client.drop_database("taxi")
        yield client["taxi"]


def tool(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, done.output
    return done.output


def add(database: Database[Document], number: int, state: ModelState = ModelState.ACCEPTED) -> str:
    """Add a version, older ones with smaller numbers, and age its archive."""
    made = OLD + timedelta(hours=number)
    version = Registry(database).add(
        small_artifact(number), model=MODEL_NAME, state=state, now=made
    )
    database["artifacts.files"].update_many({}, {"$set": {"uploadDate": made}})
    return version


def champion(database: Database[Document]) -> str:
    entry = Registry(database).alias(MODEL_NAME, Alias.CHAMPION)
    assert entry is not None
    return entry.version


def test_promote_and_roll_back(database: Database[Document]) -> None:
    first, second = add(database, 1), add(database, 2)
    tool("promote", first)

    assert second in tool("promote", second, "--expect", first)
    assert champion(database) == second
    listed: list[dict[str, Any]] = json.loads(tool("list", "--output", "json"))
    assert [(one["version"], one["aliases"]) for one in listed] == [
        (second, "champion"),
        (first, ""),
    ]
    tool("rollback")
    assert champion(database) == first
    assert first in tool("list")
    tool("rollback")
    assert champion(database) == second, "forward again, as with kubectl rollout undo"
    tool("rollback")
    assert json.loads(tool("show", first, "-o", "json"))["card"]["kind"] == "linear"


def test_the_audit_says_who_moved_an_alias_from_what_to_what(
    database: Database[Document],
) -> None:
    first, second = add(database, 1), add(database, 2)
    tool("promote", first, "--by", "ann")
    tool("promote", second, "--by", "ann", "--reason", "better on Mondays")
    tool("rollback", "--by", "bob")
    tool("promote", second, "--expect", second, code=EXIT_CONFLICT)

    failed, _, back, _, promoted, *_ = entries(database, 10)
    assert (promoted.action, promoted.by, promoted.reason, promoted.before, promoted.after) == (
        Action.PROMOTE, "ann", "better on Mondays", {"version": first}, {"version": second},
    )  # fmt: skip
    assert (back.action, back.by, back.before, back.after) == (
        Action.ROLL_BACK, "bob", {"version": second}, {"version": first},
    )  # fmt: skip
    assert failed.stage is Stage.FAILED
    assert "AliasConflictError" in failed.problem


def test_printed_command_replaces_pods_that_have_the_version_already(
    database: Database[Document],
) -> None:
    first, second = add(database, 1), add(database, 2)
    tool("promote", first)
    tool("promote", second)

    back, forward, back_again = (annotations(tool("rollback")) for _ in range(3))

    versions = [one[MODEL_VERSION_ANNOTATION] for one in (back, forward, back_again)]
    assert versions == [first, second, first]
    assert back != back_again, "a template that is as before replaces no pods"


def annotations(output: str) -> dict[str, str]:
    """Return what the printed command sets on the pod template."""
    words = shlex.split(output.splitlines()[-1].partition(": ")[2])
    assert words[:-1] == ["kubectl", "patch", "deployment", "NAME", "-p"]
    found: dict[str, str] = json.loads(words[-1])["spec"]["template"]["metadata"]["annotations"]
    return found


def test_who_comes_second_is_told(database: Database[Document]) -> None:
    first, second, third = add(database, 1), add(database, 2), add(database, 3)
    tool("promote", first)
    tool("promote", second, "--expect", first)

    assert second in tool("promote", third, "--expect", first, code=EXIT_CONFLICT)
    assert champion(database) == second


def test_refused_versions_need_force(database: Database[Document]) -> None:
    version = add(database, 1, ModelState.REJECTED)

    assert "--force" in tool("promote", version, code=1)
    tool("promote", version, "--force")

    assert Registry(database).get(version).state is ModelState.ACCEPTED


def test_rollback_does_not_lead_to_what_was_refused(database: Database[Document]) -> None:
    bad, good = add(database, 1), add(database, 2)
    tool("promote", bad)
    tool("promote", good)
    Registry(database).set_state(bad, ModelState.REJECTED, reason="its pods did not start")

    assert "its pods did not start" in tool("rollback", code=1)
    assert champion(database) == good


def graph_of(inputs: Mapping[str, int], output: str, kind: int = TensorProto.FLOAT) -> bytes:
    """Return a graph that adds its first input to itself."""
    first, *_ = inputs
    graph = helper.make_graph(
        [helper.make_node("Cast", [first], [output], to=kind)], "odd",
        [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(output, kind, [None, 1])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


MILES = {"trip_distance": TensorProto.FLOAT}
STRANGE_GRAPHS = {
    "no graph": b"graph",
    "strings": graph_of({"PULocationID": TensorProto.STRING}, "duration"),
    "unknown input": graph_of({**MILES, "tip": TensorProto.FLOAT}, "duration"),
    "output of integers": graph_of(MILES, "duration", TensorProto.INT64),
    "not a number": graph_of({"hour": TensorProto.FLOAT}, "duration"),
}


@pytest.mark.parametrize("name", STRANGE_GRAPHS)
def test_graph_that_no_predictor_would_load_does_not_get_in(
    database: Database[Document], tmp_path: Path, name: str
) -> None:
    files = {**small_artifact(1).files, ONNX_FILE: STRANGE_GRAPHS[name]}
    artifact, file = artifact_of(files), tmp_path / "model.tar"
    file.write_bytes(pack(files))
    version = Registry(database).add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)

    for words in (("import", str(file)), ("verify", version), ("promote", version)):
        assert ONNX_FILE in tool(*words, code=1)
    assert Registry(database).alias(MODEL_NAME, Alias.CHAMPION) is None


def test_a_model_that_has_no_answer_at_a_limit_names_the_ride_and_is_not_promoted(
    database: Database[Document], tmp_path: Path
) -> None:
    artifact, file = division_artifact(), tmp_path / "model.tar"
    file.write_bytes(pack(artifact.files))
    version = Registry(database).add(artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)

    for words in (("import", str(file)), ("verify", version), ("promote", version)):
        printed = tool(*words, code=1)
        assert "gives inf for PULocationID 1, DOLocationID 1, trip_distance 0" in printed
    assert Registry(database).alias(MODEL_NAME, Alias.CHAMPION) is None


@pytest.mark.parametrize("data", [None, b"{}"])
def test_an_artifact_without_a_schema_does_not_get_in(
    database: Database[Document], tmp_path: Path, data: bytes | None
) -> None:
    files = {**small_artifact(1).files, SCHEMA_FILE: data}
    artifact = artifact_of({name: data for name, data in files.items() if data is not None})
    (tmp_path / "model.tar").write_bytes(pack(artifact.files))

    assert SCHEMA_FILE in tool("import", str(tmp_path / "model.tar"), code=1)


def with_required_tip() -> Schema:
    document = json.loads(TAXI.to_json())
    document["derived"] = {}
    document["slices"] = []
    tip = {"name": "tip", "kind": "number"}
    return schema_of(document | {"columns": [*document["columns"], tip]})


def add_of(database: Database[Document], schema: Schema, constant: float, **more: Any) -> str:
    artifact = artifact_for(schema, Linear(constant))
    given = {"state": ModelState.ACCEPTED, **more}
    return Registry(database).add(artifact, model=MODEL_NAME, now=NOW, **given)


def test_a_version_whose_schema_clients_would_notice_needs_a_word_more(
    database: Database[Document],
) -> None:
    other, first = add_of(database, with_required_tip(), 1), add(database, 1)
    tool("promote", first)

    printed = tool("promote", other, "--force", code=1)
    assert "tip is required, was absent" in printed
    assert "--accept-schema-change" in printed
    tool("promote", other, "--accept-schema-change")
    assert champion(database) == other
    tool("promote", first)  # a column that goes is no change


def test_a_required_column_goes_when_the_fallback_can_do_without_it(
    database: Database[Document],
) -> None:
    wide = with_required_tip()
    first, fallback = add_of(database, wide, 1), add_of(database, wide, 2)
    narrow, narrow_fallback = add(database, 1), add(database, 2)
    tool("promote", first)
    tool("promote", fallback, "--alias", "fallback")

    printed = tool("promote", narrow, code=1)
    assert f"the fallback {fallback} would refuse rows" in printed
    assert "tip is required, was absent" in printed
    assert "taxi-train fit" in printed
    tool("promote", narrow_fallback, "--alias", "fallback")
    tool("promote", narrow)
    assert champion(database) == narrow

    # What went before asks for the column, which clients may no longer send.
    for words in (("rollback", "--alias", "fallback"), ("rollback",)):
        assert "tip is required, was absent" in tool(*words, code=1)
        tool(*words, "--accept-schema-change")
    assert champion(database) == first


@pytest.mark.parametrize(
    ("result", "reason", "code"),
    [
        (RunResult.SCHEMA_CHANGED, "tip is required, was absent", 0),
        (RunResult.SCHEMA_CHANGED, "its pods did not start", 1),
        (RunResult.NOT_BETTER, "tip is required, was absent", 1),
    ],
)
def test_what_the_gate_refused_for_its_schema_alone_is_promoted_by_the_command_it_names(
    database: Database[Document], result: RunResult, reason: str, code: int
) -> None:
    tool("promote", add(database, 1))
    state = ModelState.CANDIDATE
    version = add_of(database, with_required_tip(), 1, state=state, run_id="run-1")
    message = "tip is required, was absent"
    RunStore(database).start("run-1", "train", [], NOW)
    RunStore(database).finish("run-1", result, now=NOW, message=message, candidate=version)
    Registry(database).set_state(version, ModelState.REJECTED, reason=reason)

    advised = "--force" if code else "--accept-schema-change"
    assert f"promote it with {advised}" in tool("promote", version, code=1)
    tool("promote", version, "--accept-schema-change", code=code)
    assert (champion(database) == version) is (code == 0)


def test_what_served_can_be_rolled_back_to(database: Database[Document]) -> None:
    registry = Registry(database)
    before = registry.add(division_artifact(), model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW)
    registry.move_alias(MODEL_NAME, Alias.CHAMPION, to=before, expected=None, by="t", now=NOW)
    tool("promote", add(database, 1))

    tool("rollback")

    assert champion(database) == before, "it answers all other rides"


def test_exported_version_comes_back(database: Database[Document], tmp_path: Path) -> None:
    version, file = add(database, 1), tmp_path / "model.tar"
    tool("export", version, str(file))
    database["models"].delete_many({})

    assert f"{version}: is Candidate" in tool("import", str(file))
    assert "is whole" in tool("verify", version)
    assert f"{version}: is Candidate" in tool("import", str(file)), "unchanged"


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "strange.txt"])
def test_archive_with_strange_names_is_refused(
    database: Database[Document], tmp_path: Path, name: str
) -> None:
    file = tmp_path / "model.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())

    tool("import", str(file), code=1)

    assert list(database["models"].find()) == []
    assert sorted(tmp_path.iterdir()) == [file]


def test_damaged_version_is_not_promoted(database: Database[Document], tmp_path: Path) -> None:
    version = add(database, 1)
    database["artifacts.chunks"].update_one({}, {"$set": {"data": b"damaged"}})

    tool("verify", version, code=1)
    tool("promote", version, code=1)

    assert Registry(database).alias(MODEL_NAME, Alias.CHAMPION) is None
    (tmp_path / "model.tar").write_bytes(b"no archive")
    tool("import", str(tmp_path / "model.tar"), code=1)


def test_collection_keeps_what_is_needed(database: Database[Document]) -> None:
    versions = [add(database, number) for number in range(1, 9)]
    for one in versions[:2]:
        tool("promote", one)  # champion and the one before
    words = ("gc", "--keep", "2", "--protect", versions[2])

    assert "3 versions" in tool(*words, "--dry-run")
    assert len(Registry(database).list(MODEL_NAME)) == 8
    assert "3 versions" in tool(*words)

    left = {one.version for one in Registry(database).list(MODEL_NAME)}
    assert left == {*versions[:3], *versions[-2:]}
    for one in left:
        Registry(database).load(one)
    assert database["artifacts.files"].count_documents({}) == 5


def test_young_versions_stay(database: Database[Document]) -> None:
    Registry(database).add(small_artifact(1), model=MODEL_NAME, state=ModelState.CANDIDATE, now=NOW)
    add(database, 2)
    database["models"].update_many({}, {"$set": {"created_at": NOW}})

    assert "0 versions" in tool("gc", "--keep", "1")


class KilledError(Exception):
    """A process ended here."""


class Stepped(Database[Document]):
    """A database that calls something before each command."""

    def __init__(self, real: Database[Document], before: Callable[[], None]) -> None:
        super().__init__(real.client, real.name)
        self.before = before

    def __getitem__(self, name: str) -> Collection[Document]:
        return SteppedCollection(self, name)


class SteppedCollection(Collection[Document]):
    """A collection of such a database."""

    def _step(self) -> None:
        database = self.database
        assert isinstance(database, Stepped)
        database.before()

    def find(self, *args: Any, **kwargs: Any) -> Any:
        self._step()
        return super().find(*args, **kwargs)

    def update_one(self, *args: Any, **kwargs: Any) -> Any:
        self._step()
        return super().update_one(*args, **kwargs)

    def update_many(self, *args: Any, **kwargs: Any) -> Any:
        self._step()
        return super().update_many(*args, **kwargs)

    def delete_one(self, *args: Any, **kwargs: Any) -> Any:
        self._step()
        return super().delete_one(*args, **kwargs)

    def find_one_and_update(self, *args: Any, **kwargs: Any) -> Any:
        self._step()
        return super().find_one_and_update(*args, **kwargs)


class Promoter(threading.Thread):
    """Somebody who promotes a version, one command to MongoDB at a time."""

    def __init__(self, database: Database[Document], to: str, expected: str) -> None:
        super().__init__(daemon=True)
        self._registry = Registry(Stepped(database, self._wait))
        self._to, self._expected = to, expected
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._killed = self._ended = False
        self.error: Exception | None = None
        self.start()
        self._stopped.acquire()

    def _wait(self) -> None:
        self._stopped.release()
        self._go.acquire()
        if self._killed:
            raise KilledError

    def run(self) -> None:
        try:
            move(
                self._registry, MODEL_NAME, Alias.CHAMPION, to=self._to, expected=self._expected
            )  # fmt: skip
        except (KilledError, TaxiError) as error:
            self.error = error
        # A thread lives on for a moment behind its last word.
        self._ended = True
        self._stopped.release()

    def step(self) -> None:
        """Let it send the next command, if there is one."""
        if not self._ended:
            self._go.release()
            assert self._stopped.acquire(timeout=60), "it sends no further command and does not end"

    def finish(self, *, killed: bool) -> None:
        """End it at once, or let it do what is left."""
        self._killed = killed
        while self.is_alive():
            self._go.release()
            self.join(0.01)


@pytest.fixture(scope="module")
def races(server: Mongod) -> Iterator[Database[Document]]:
    with connect(server.uri, app_name="test") as client:
        yield client["races"]


def race(
    database: Database[Document], steps: Sequence[int], *, promoter_dies: bool, collector_dies: int
) -> Exception | None:
    """Let a promotion and a collection meet, end them, and look at what they leave.

    Args:
        database: Any.
        steps: The commands of the collection before which the promoter sends one of its own.
        promoter_dies: Whether it is killed then; else it does what is left.
        collector_dies: Before which of its commands the collection is killed.

    Returns:
        What the promotion ended with.
    """
    registry = Registry(database)
    for collection in ("models", "aliases"):
        database[collection].delete_many({})
    database["models"].insert_many(
        {"_id": version, "model": MODEL_NAME, "digest": version, "size": 1, "state": "Accepted",
         "created_at": OLD + timedelta(hours=number)}
        for number, version in enumerate(("old", "new"))
    )  # fmt: skip
    registry.move_alias(MODEL_NAME, Alias.CHAMPION, to="new", expected=None, by="t", now=NOW)
    promoter = Promoter(database, "old", "new")
    sent = 0

    def meet() -> None:
        nonlocal sent
        for _ in range(steps.count(sent)):
            promoter.step()
        if sent == collector_dies:
            raise KilledError
        sent += 1

    with suppress(KilledError):
        collect(Stepped(database, meet), MODEL_NAME, Keep(1, (), NOW))
    promoter.finish(killed=promoter_dies)
    assert_whole(registry, moved=promoter.error is None)
    collect(database, MODEL_NAME, Keep(1, (), NOW))
    assert_whole(registry, moved=promoter.error is None)
    entry = registry.alias(MODEL_NAME, Alias.CHAMPION)
    assert entry is not None
    assert registry.get(entry.version).state is ModelState.ACCEPTED
    return promoter.error


def assert_whole(registry: Registry, *, moved: bool) -> None:
    entry = registry.alias(MODEL_NAME, Alias.CHAMPION)
    assert entry is not None
    assert registry.get(entry.version).version == entry.version
    if moved:
        assert entry.version == "old"


@pytest.mark.parametrize("commands", [1, 2, 3])
def test_no_alias_is_left_on_nothing_by_a_promoter_that_is_killed(
    races: Database[Document], commands: int
) -> None:
    for steps in combinations_with_replacement(range(8), commands):
        race(races, steps, promoter_dies=True, collector_dies=99)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 7), max_size=4), st.booleans(), st.integers(0, 8))
def test_no_alias_is_left_on_nothing_by_a_collection_that_is_killed(
    races: Database[Document], steps: list[int], promoter_dies: bool, collector_dies: int
) -> None:
    race(races, steps, promoter_dies=promoter_dies, collector_dies=collector_dies)


def test_promotion_before_the_mark_succeeds_and_says_so(races: Database[Document]) -> None:
    """Its last command, the one that accepts the version, may meet the mark."""
    mark = 4
    for moved, accepted in combinations_with_replacement(range(8), 2):
        if moved <= mark:
            steps = [moved, moved, moved, accepted]
            error = race(races, steps, promoter_dies=False, collector_dies=99)
            assert error is None, steps


def test_intents_that_came_to_nothing_go_with_the_next_move(database: Database[Document]) -> None:
    first, second, third = (add(database, number) for number in (1, 2, 3))
    tool("promote", first)
    tool("promote", third, "--expect", second, code=EXIT_CONFLICT)
    kept = Keep(0, (), NOW)
    assert collect(database, MODEL_NAME, kept) == [second]

    fourth = add(database, 4)
    tool("promote", fourth)

    assert collect(database, MODEL_NAME, kept) == [third]


def test_missing_settings_end_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAXI_MONGODB_URI", raising=False)

    assert "TAXI_MONGODB_URI" in tool("list", code=2)
