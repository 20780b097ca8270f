"""Members of a replica set are counted by what the driver heard of them."""

from typing import Any

import pytest
from pymongo.errors import NetworkTimeout
from pymongo.hello import Hello
from pymongo.server_description import ServerDescription
from pymongo.topology_description import TOPOLOGY_TYPE, TopologyDescription

from taxi_store.admin.members import healthy_members

Answer = dict[str, Any] | Exception | None
OF_A_SET: dict[str, Any] = {"ok": 1, "setName": "rs0", "hosts": ["a:1", "b:1", "c:1"]}
PRIMARY = OF_A_SET | {"isWritablePrimary": True}
SECONDARY = OF_A_SET | {"secondary": True}
ARBITER = OF_A_SET | {"arbiterOnly": True}
COPYING = OF_A_SET | {"secondary": False}
AWAY = NetworkTimeout("timed out")


def topology(kind: int, *answers: Answer) -> TopologyDescription:
    """Return what the driver knows after these answers; None is of one that was not asked yet."""
    servers: dict[tuple[str, int | None], ServerDescription] = {}
    for number, answer in enumerate(answers):
        address = (f"member-{number}", 27017)
        if isinstance(answer, Exception):
            servers[address] = ServerDescription(address, error=answer)
        else:
            servers[address] = ServerDescription(address, Hello(answer) if answer else None)
    return TopologyDescription(kind, servers, "rs0", None, None, None)


@pytest.mark.parametrize(
    ("answers", "healthy"),
    [
        ((PRIMARY, SECONDARY, SECONDARY), 3),
        ((PRIMARY, SECONDARY, ARBITER), 3),
        ((PRIMARY, SECONDARY, AWAY), 2),
        ((PRIMARY, SECONDARY, COPYING), 2),
        ((PRIMARY,), 1),
    ],
)
def test_members_that_serve_or_vote_are_healthy(answers: tuple[Answer, ...], healthy: int) -> None:
    assert healthy_members(topology(TOPOLOGY_TYPE.ReplicaSetWithPrimary, *answers)) == healthy


def test_a_set_without_a_primary_still_has_members() -> None:
    kind = TOPOLOGY_TYPE.ReplicaSetNoPrimary

    assert healthy_members(topology(kind, AWAY, SECONDARY, AWAY)) == 1
    assert healthy_members(topology(kind, AWAY, AWAY, AWAY)) == 0


def test_members_that_were_not_asked_yet_are_not_lost() -> None:
    assert healthy_members(topology(TOPOLOGY_TYPE.ReplicaSetWithPrimary, PRIMARY, None)) is None


def test_a_server_that_stands_alone_has_no_members() -> None:
    alone = {"ok": 1, "isWritablePrimary": True}

    assert healthy_members(topology(TOPOLOGY_TYPE.Single, alone)) is None
    assert healthy_members(topology(TOPOLOGY_TYPE.Unknown, AWAY)) is None
