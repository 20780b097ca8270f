"""How many members of MongoDB's replica set are healthy, as the driver sees them."""

from typing import Final

from pymongo.server_type import SERVER_TYPE
from pymongo.topology_description import TOPOLOGY_TYPE, TopologyDescription

_SET: Final = {TOPOLOGY_TYPE.ReplicaSetWithPrimary, TOPOLOGY_TYPE.ReplicaSetNoPrimary}
_HEALTHY: Final = {SERVER_TYPE.RSPrimary, SERVER_TYPE.RSSecondary, SERVER_TYPE.RSArbiter}


def healthy_members(topology: TopologyDescription) -> int | None:
    """Return how many members serve or vote; None where there is no set, or that is not known yet.

    The driver asks each member every ten seconds, and keeps what it answered: this asks nobody. One
    that starts, or copies the data of the others, is not healthy yet.

    Args:
        topology: `topology_description` of a client that has been used.
    """
    if topology.topology_type not in _SET:
        return None
    members = topology.server_descriptions().values()
    # Neither an answer nor an error: the driver has just heard of it, or has just begun.
    if any(one.server_type == SERVER_TYPE.Unknown and one.error is None for one in members):
        return None
    return sum(one.server_type in _HEALTHY for one in members)
