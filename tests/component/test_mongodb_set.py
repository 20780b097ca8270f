"""A replica set of three real mongods with TLS, made and kept as the chart does it."""

from pathlib import Path

import pytest
from pymongo import MongoClient
from support.artifacts import artifact_for
from support.certificates import Authority
from support.mongodb_set import Member, Secrets, closing, uri_of
from support.monitor import Monitor
from support.predictor import TAXI, Load, Predictor, logged, register, wait_until_logged
from support.waiting import wait_for

from taxi_domain.models import Alias
from taxi_store.connection import Document, connect

pytestmark = pytest.mark.component

STATES = {1: "primary", 2: "secondary"}


def states(client: MongoClient[Document]) -> dict[str, str]:
    """Return what each member is, as the set sees it."""
    members = client.admin.command("replSetGetStatus")["members"]
    return {one["name"]: STATES.get(one["state"], "") for one in members if one["health"]}


def hurry(client: MongoClient[Document]) -> None:
    """Let the set notice within a second that a member is gone, not within ten."""
    config = client.admin.command("replSetGetConfig")["config"]
    config["version"] += 1
    config["settings"] |= {"electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 500}
    client.admin.command("replSetReconfig", config)


def voters(client: MongoClient[Document]) -> int:
    config = client.admin.command("replSetGetConfig")["config"]
    return sum(one["votes"] for one in config["members"] if not one.get("newlyAdded"))


def test_one_server_becomes_three_and_the_loss_of_the_primary_loses_no_row(
    tmp_path: Path,
) -> None:
    secrets = Secrets(tmp_path / "secrets", Authority())
    alone = Member(tmp_path / "alone", secrets, in_a_set=False)
    with closing([alone]):
        alone.mongod.start()
        alone.keep()
        alone.wait_until_ready()
        with connect(uri_of([alone], "root", of_set=False), app_name="test") as client:
            client["taxi"]["predictions"].insert_one({"_id": "before", "model_version": "v"})

    members = [Member(tmp_path / f"member-{number}", secrets) for number in range(3)]
    (tmp_path / "alone" / "db").rename(tmp_path / "member-0" / "db")
    predictor = Predictor(tmp_path / "predictor", uri_of(members, "predictor"))
    monitor = Monitor(tmp_path / "monitor", uri_of(members, "monitor"))
    (tmp_path / "predictor").mkdir()
    (tmp_path / "monitor").mkdir()
    with closing(members):
        for one in members:
            one.mongod.start()
        for one in members:
            one.keep([member.host for member in members])
        for one in members:
            one.wait_until_ready()
        with connect(uri_of(members, "root"), app_name="test") as client:
            wait_for("three vote", lambda: voters(client) == 3)
            assert sorted(states(client).values()) == ["primary", "secondary", "secondary"]
            hurry(client)
            register(uri_of(members, "train"), Alias.CHAMPION, artifact_for(TAXI))
            try:
                predictor.start()
                monitor.start()
                with Load(predictor.url, threads=2, pause=0.01) as load:
                    load.wait_for(100)
                    (gone,) = (name for name, is_a in states(client).items() if is_a == "primary")
                    killed = next(one for one in members if one.host == gone)
                    killed.mongod.kill()
                    wait_for(
                        "another primary",
                        lambda: (
                            client.primary is not None and f"127.0.0.1:{client.primary[1]}" != gone
                        ),
                        30,
                    )
                    load.wait_for(100)
                wait_until_logged(uri_of(members, "root"), len(load.answered) + 1)

                found = logged(uri_of(members, "root"))
                assert sorted(found) == sorted([*load.answered, "before"])
                # The monitor goes on, and so does whoever moves aliases.
                label = {"ride_id": load.answered[0], "duration": 10.0}
                wait_for(
                    "a label is taken",
                    lambda: monitor.post("/v1/labels", {"labels": [label]}).status_code == 200,
                )
                register(uri_of(members, "train"), Alias.FALLBACK, artifact_for(TAXI))

                killed.mongod.start()
                wait_for(
                    "the killed one is a member again",
                    lambda: states(client).get(gone) == "secondary",
                    30,
                )
            finally:
                predictor.stop()
                monitor.stop()


def test_a_first_member_without_its_disk_makes_no_second_set(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets", Authority())
    members = [Member(tmp_path / f"member-{number}", secrets) for number in range(3)]
    hosts = [one.host for one in members]
    with closing(members):
        for one in members:
            one.mongod.start()
        for one in members:
            one.keep(hosts)
        for one in members:
            one.wait_until_ready()
        with connect(uri_of(members, "root"), app_name="test", timeout_seconds=20) as client:
            client["taxi"]["predictions"].insert_one({"_id": "kept"})
        members[0].end_keeper()
        members[0].mongod.kill()
        (tmp_path / "member-0" / "db").rename(tmp_path / "lost")
        members[0].ready.unlink()
        for one in members[1:]:
            one.mongod.kill()
        # Nobody else is there to say that there is a set: it waits.
        members[0].mongod.start()
        members[0].keep(hosts)
        wait_for("it waits for the others", lambda: "does not answer" in members[0].told(), 30)
        assert not members[0].ready.exists()

        for one in members[1:]:
            one.mongod.start()
        members[0].wait_until_ready()

        with connect(uri_of(members, "root"), app_name="test", timeout_seconds=20) as client:
            wait_for("the copy", lambda: states(client).get(hosts[0]) in {"primary", "secondary"})
            assert client["taxi"]["predictions"].find_one({"_id": "kept"}) is not None
