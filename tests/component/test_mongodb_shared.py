"""Two releases that share one MongoDB: a database and users each, and nothing in common.

They are made as alike as they can be: the same model name and the same ids of rows.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure
from support.artifacts import artifact_for, random_rows
from support.monitor import Monitor
from support.predictor import FLIGHTS, TAXI, Predictor
from support.schemas import body_of

from taxi_domain.models import MODEL_NAME, Alias, ModelState
from taxi_domain.mongodb import ALIASES, AUDIT, LABELS, MODELS, PREDICTIONS, RUNS
from taxi_domain.runs import RunResult
from taxi_local.mongod import Mongod, running_mongod
from taxi_schema.schema import Schema
from taxi_store.admin import bootstrap_indexes
from taxi_store.admin.roles import ROLES, privileges_of, role_of
from taxi_store.connection import Document, async_database_of, connect, connect_async, database_of
from taxi_store.registry.registry import Registry
from taxi_store.registry.registry_async import AsyncRegistry
from taxi_train.runs.retraining import RunRules, retrain
from taxi_train.runs.run import Run

pytestmark = pytest.mark.component

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PASSWORD = "of root"
ROWS = 60


@dataclass(frozen=True)
class Tenant:
    """A release: its database, and what it serves."""

    mongod: Mongod
    name: str
    schema: Schema
    label: float

    def uri(self, component: str, database: str = "") -> str:
        """Return a component's address, as its Secret has it, or with another database."""
        password = quote_plus(f"{component} of {self.name}: /?@")
        return (
            f"mongodb://{component}:{password}@127.0.0.1:{self.mongod.port}/"
            f"{database or self.name}?authSource={self.name}"
        )

    def bodies(self) -> list[dict[str, Any]]:
        """Return rows as they are posted; their ids are those of the other release."""
        return [body_of(self.schema, row) for row in random_rows(self.schema, ROWS)]

    def labels(self) -> dict[str, Any]:
        """Return a label for each row."""
        ids = [body[self.schema.id] for body in self.bodies()]
        target = self.schema.target.name
        return {"labels": [{self.schema.id: name, target: self.label} for name in ids]}


@pytest.fixture(scope="module")
def mongod() -> Iterator[Mongod]:
    with running_mongod("--auth") as server:
        client: MongoClient[Document]
        with MongoClient("127.0.0.1", server.port) as client:
            client["admin"].command("createUser", "root", pwd=PASSWORD, roles=["root"])
        yield server


@pytest.fixture(scope="module")
def root(mongod: Mongod) -> Iterator[MongoClient[Document]]:
    client: MongoClient[Document]
    with MongoClient("127.0.0.1", mongod.port, username="root", password=PASSWORD) as client:
        yield client


@pytest.fixture(scope="module")
def tenants(
    mongod: Mongod, root: MongoClient[Document], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tenant, Tenant]:
    """Make databases, users, rights, indexes and first models, as docs/chart.md says."""
    found = Tenant(mongod, "taxi", TAXI, 12.0), Tenant(mongod, "flights", FLIGHTS, -7.0)
    for tenant in found:
        database = root[tenant.name]
        for component in ROLES:
            rights = privileges_of(component, tenant.name)
            database.command("createRole", role_of(component), privileges=rights, roles=[])
            password = f"{component} of {tenant.name}: /?@"
            database.command("createUser", component, pwd=password, roles=[role_of(component)])
        file = tmp_path_factory.mktemp(tenant.name) / "uri"
        file.write_text(tenant.uri("train"))
        days = ("--predictions-days", "90", "--labels-days", "90")
        assert bootstrap_indexes.main(["--uri-file", str(file), *days]) == 0
        # The monitor only appends to it.
        assert database[AUDIT].options()["capped"]
        with connect(tenant.uri("train"), app_name="test") as client:
            registry = Registry(database_of(client))
            for alias in (Alias.CHAMPION, Alias.FALLBACK):
                artifact = artifact_for(tenant.schema, alias=str(alias))
                version = registry.add(
                    artifact, model=MODEL_NAME, state=ModelState.ACCEPTED, now=NOW
                )
                registry.move_alias(MODEL_NAME, alias, to=version, expected=None, by="t", now=NOW)
    return found


def contents(database: Database[Document]) -> dict[str, list[Document]]:
    """Return all documents of a database by collection."""
    return {
        name: sorted(database[name].find(), key=lambda one: str(one["_id"]))
        for name in database.list_collection_names()
        if not name.startswith("system.")
    }


def test_rows_and_labels_of_the_same_ids_stay_with_their_release(
    tenants: tuple[Tenant, Tenant], root: MongoClient[Document], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        served = []
        for tenant in tenants:
            folder = tmp_path / tenant.name
            folder.mkdir()
            monitor = Monitor(folder, tenant.uri("monitor"), TAXI_MONITOR_MIN_ROWS="50")
            predictor = Predictor(folder, tenant.uri("predictor"))
            for process in (monitor, predictor):
                stack.callback(process.stop)
                process.start()
            served.append((tenant, predictor, monitor))
        for tenant, predictor, monitor in served:
            rows = {"rows": tenant.bodies()}
            answers = httpx.post(f"{predictor.url}/predict/batch", json=rows, timeout=30).json()
            assert all(tenant.schema.target.name in one for one in answers)
            assert monitor.post("/v1/labels", tenant.labels()).json()["accepted"] == ROWS
        for tenant, _, monitor in served:
            found = monitor.wait("/v1/performance", "labelled_rows", ROWS)
            drift = monitor.champion("/v1/drift")
            assert (found["target"], drift["window"]["rows"]) == (tenant.schema.target.name, ROWS)

    for tenant in tenants:
        database = root[tenant.name]
        logged = list(database[PREDICTIONS].find())
        names = {column.name for column in tenant.schema.columns}
        assert len(logged) == ROWS
        assert all(set(one["inputs"]) <= names for one in logged)
        assert {one["value"] for one in database[LABELS].find()} == {tenant.label}


def test_a_run_and_a_promotion_of_a_release_change_nothing_of_the_other(
    tenants: tuple[Tenant, Tenant], root: MongoClient[Document]
) -> None:
    other, ours = tenants
    before = contents(root[other.name])

    with connect(ours.uri("train"), app_name="test") as client:
        database = database_of(client)
        result = retrain(Run(database, MODEL_NAME, "run", lambda: NOW), RunRules())
        candidate = Registry(database).add(
            artifact_for(ours.schema, alias="candidate"),
            model=MODEL_NAME, state=ModelState.CANDIDATE, now=NOW,
        )  # fmt: skip
    asyncio.run(promote(ours.uri("operator"), candidate))

    assert result is RunResult.TOO_FEW_LABELS
    assert [one["_id"] for one in root[ours.name][RUNS].find()] == ["run"]
    champion = root[ours.name][ALIASES].find_one({"alias": "champion"})
    assert champion is not None
    assert champion["version"] == candidate
    assert before[MODELS]
    assert before[ALIASES]
    assert contents(root[other.name]) == before


async def promote(uri: str, candidate: str) -> None:
    """Move the champion as the operator does."""
    client = connect_async(uri, app_name="test")
    async with client:
        registry = AsyncRegistry(async_database_of(client))
        await registry.set_state(candidate, ModelState.ACCEPTED)
        now = await registry.alias(MODEL_NAME, Alias.CHAMPION)
        assert now is not None
        await registry.move_alias(
            MODEL_NAME, Alias.CHAMPION, to=candidate, expected=now.version, by="operator", now=NOW
        )


ATTEMPTS: dict[str, Callable[[Database[Document]], object]] = {
    "read the log": lambda database: database[PREDICTIONS].find_one(),
    "write the log": lambda database: database[PREDICTIONS].insert_one({"_id": "stranger"}),
    "write labels": lambda database: database[LABELS].insert_one({"_id": "stranger"}),
    "read models": lambda database: database[MODELS].find_one(),
    "move an alias": lambda database: database[ALIASES].update_many({}, {"$set": {"by": "x"}}),
}


@pytest.mark.parametrize("component", ROLES)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_user_of_a_release_gets_into_the_database_of_the_other(
    tenants: tuple[Tenant, Tenant], component: str, attempt: str
) -> None:
    for ours, other in (tenants, tenants[::-1]):
        with connect(ours.uri(component, other.name), app_name="test") as client:
            database = database_of(client)
            assert database.name == other.name
            with pytest.raises(OperationFailure, match="not authorized"):
                ATTEMPTS[attempt](database)
