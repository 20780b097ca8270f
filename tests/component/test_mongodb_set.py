"""A replica set of three real mongods with TLS, made and kept as the chart does it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from support.artifacts import artifact_for
from support.certificates import Authority
from support.mongodb_set import Member, Secrets, closing, uri_of
from support.monitor import Monitor
from support.predictor import TAXI, Load, Predictor, logged, register, wait_until_logged
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_domain.storage_metrics import MONITOR_MONGODB_MEMBERS
from taxi_store.connection import Document, connect

pytestmark = pytest.mark.component

#: ConfigurationInProgress, and NewReplicaSetConfigurationIncompatible: another was quicker.
BUSY = {109, 103}
STATES = {1: "primary", 2: "secondary"}
WHOLE = ["primary", "secondary", "secondary"]


def states(client: MongoClient[Document]) -> dict[str, str]:
    """Return what each member is, as the set sees it."""
    members = client.admin.command("replSetGetStatus")["members"]
    return {one["name"]: STATES.get(one["state"], "") for one in members if one["health"]}


def hurry(client: MongoClient[Document]) -> bool:
    """Let the set notice within a second that a member is gone; return whether it will.

    The set may be busy with a change of its own: each new member gets its vote by one.
    """
    config = client.admin.command("replSetGetConfig")["config"]
    config["version"] += 1
    config["settings"] |= {"electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 500}
    try:
        client.admin.command("replSetReconfig", config)
    except OperationFailure as error:
        if error.code not in BUSY:
            raise
        return False
    return True


def voters(client: MongoClient[Document]) -> int:
    config = client.admin.command("replSetGetConfig")["config"]
    return sum(one["votes"] for one in config["members"] if not one.get("newlyAdded"))


@dataclass(frozen=True, slots=True)
class Trio:
    """Three members, and the row that the first one had while it stood alone."""

    members: list[Member]
    kept: str
    folder: Path

    @property
    def hosts(self) -> list[str]:
        return [one.host for one in self.members]

    def uri(self, component: str) -> str:
        return uri_of(self.members, component)


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    """Return a set that one server with data became by an upgrade."""
    folder = tmp_path_factory.mktemp("trio")
    secrets = Secrets(folder / "secrets", Authority())
    alone = Member(folder / "alone", secrets, in_a_set=False)
    with closing([alone]):
        alone.mongod.start()
        alone.keep()
        alone.wait_until_ready()
        with connect(uri_of([alone], "root", of_set=False), app_name="test") as client:
            client["taxi"]["predictions"].insert_one({"_id": "before", "model_version": "v"})
    found = Trio([Member(folder / f"member-{one}", secrets) for one in range(3)], "before", folder)
    (folder / "alone" / "db").rename(folder / "member-0" / "db")
    with closing(found.members):
        for one in found.members:
            one.mongod.start()
        for one in found.members:
            one.keep(found.hosts)
        for one in found.members:
            one.wait_until_ready()
        with connect(found.uri("root"), app_name="test", timeout_seconds=20) as client:
            wait_for("three vote", lambda: voters(client) == 3)
            wait_for("short times", lambda: hurry(client))
        yield found


@contextmanager
def as_root(trio: Trio) -> Iterator[MongoClient[Document]]:
    with connect(trio.uri("root"), app_name="test", timeout_seconds=20) as client:
        yield client


def healthy_members(monitor: Monitor) -> float | None:
    """Return what the monitor exports; None while it does not know."""
    name = MONITOR_MONGODB_MEMBERS.name
    text = httpx.get(f"{monitor.metrics_url}/metrics", timeout=10).text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return next((one.value for one in samples if one.name == name), None)


def primary_of(client: MongoClient[Document]) -> str:
    return next((name for name, is_a in states(client).items() if is_a == "primary"), "")


def test_the_loss_of_the_primary_loses_no_row(trio: Trio, tmp_path: Path) -> None:
    for name in ("predictor", "monitor"):
        (tmp_path / name).mkdir()
    predictor = Predictor(tmp_path / "predictor", trio.uri("predictor"))
    monitor = Monitor(tmp_path / "monitor", trio.uri("monitor"))
    register(trio.uri("train"), Alias.CHAMPION, artifact_for(TAXI))
    with as_root(trio) as client, ExitStack() as stack:
        for process in (predictor, monitor):
            stack.callback(process.stop)
            process.start()
        # With such short times a busy machine holds an election now and then.
        wait_for("a whole set", lambda: sorted(states(client).values()) == WHOLE)
        wait_for("three members", lambda: healthy_members(monitor) == 3)
        with Load(predictor.url, threads=2, pause=0.01) as load:
            load.wait_for(100)
            gone = wait_for("a primary", lambda: primary_of(client))
            killed = next(one for one in trio.members if one.host == gone)
            killed.mongod.kill()
            wait_for("another primary", lambda: primary_of(client) not in {"", gone})
            load.wait_for(100)
        wait_for("two members", lambda: healthy_members(monitor) == 2)
        wait_until_logged(trio.uri("root"), len(load.answered) + 1)

        assert sorted(logged(trio.uri("root"))) == sorted([*load.answered, trio.kept])
        # The monitor goes on, and so does whoever moves aliases.
        label = {"ride_id": load.answered[0], "duration": 10.0}
        wait_for(
            "a label is taken",
            lambda: monitor.post("/v1/labels", {"labels": [label]}).status_code == 200,
        )
        register(trio.uri("train"), Alias.FALLBACK, artifact_for(TAXI))

        killed.mongod.start()
        wait_for("it is a member again", lambda: states(client).get(gone) == "secondary")
        wait_for("three members again", lambda: healthy_members(monitor) == 3)


def test_a_first_member_without_its_disk_makes_no_second_set(trio: Trio) -> None:
    first, *others = trio.members
    first.end_keeper()
    for one in trio.members:
        one.mongod.kill()
    (trio.folder / "member-0" / "db").rename(trio.folder / "lost")
    first.ready.unlink()
    first.mongod.start()
    first.keep(trio.hosts)
    # Nobody is there to say that there is a set: it waits.
    wait_for("it waits for the others", lambda: "does not answer" in first.told())
    assert not first.ready.exists()

    for one in others:
        one.mongod.start()
    first.wait_until_ready()

    with as_root(trio) as client:
        assert client["taxi"]["predictions"].find_one({"_id": trio.kept}) is not None
        wait_for("its copy", lambda: states(client).get(first.host) in {"primary", "secondary"})
