"""Who claims which target, as the last listing of the policies has it."""

from typing import Any

from taxi_operator.adapters.cluster import PolicyChangedError
from taxi_operator.adapters.reads import Reads
from taxi_operator.spec.ownership import Holders, enforces, service_of
from taxi_operator.traffic import TrafficControl

Document = dict[str, Any]


class Claims:
    """Lists policies, and knows which of them act and which only watch.

    Args:
        reads: Where they are looked at.
        traffic: Knows the Services of other releases.
        direct: Where they are looked at before something is done; None: in the same place.
    """

    def __init__(
        self, reads: Reads, traffic: TrafficControl, direct: Reads | None = None
    ) -> None:  # fmt: skip
        self._reads = reads
        self._direct = direct or reads
        self._traffic = traffic
        self._conflicting: dict[tuple[str, int], str | None] = {}
        #: Policies that only watch a target which another one claims.
        self._onlookers: set[str] = set()

    async def policies(self, *, surely: bool = False) -> list[Document]:
        """List all policies; owners of targets are known from it until the next listing.

        Args:
            surely: Something is to be done: they are read as they are now.
        """
        foreign = await self._traffic.foreign()
        found = await (self._direct if surely else self._reads).policies()
        policies = [one for one in found if service_of(one) not in foreign]
        holders = Holders(policies)
        self._conflicting = {
            _version_of(one): holders.conflicting_policy_of(one) for one in policies
        }
        claimed = {service_of(one) for one in policies if enforces(one)}
        self._onlookers = {
            one["metadata"]["uid"]
            for one in policies
            if not enforces(one) and service_of(one) in claimed
        }
        return policies

    async def conflicting_policy_of(self, found: Document) -> str | None:
        """Return the older policy that has a policy's target, None when it is its own."""
        version = _version_of(found)
        if version not in self._conflicting:
            # Also after an edit: what it made of the mode has to be known before anything acts.
            await self.policies()
        return self._conflicting.get(version)

    def only_watches(self, found: Document) -> bool:
        """Tell whether a policy does not claim its target, and another one does."""
        return found["metadata"]["uid"] in self._onlookers

    async def require(self, found: Document) -> None:
        """Check that a policy is still as it was seen, and that no other one has its target.

        Raises:
            PolicyChangedError: something changed; the next reconcile sees it.
        """
        await self.require_unchanged(found)
        watches = self.only_watches(found)
        await self.policies(surely=True)
        taken = await self.conflicting_policy_of(found) is not None
        if taken or self.only_watches(found) != watches:
            name = found["metadata"]["name"]
            raise PolicyChangedError(f"{name}: another policy has, or had, the target")

    async def require_unchanged(self, found: Document) -> None:
        """Check that a policy is still as it was seen.

        Raises:
            PolicyChangedError: it is not; the next reconcile sees it.
        """
        name, seen = found["metadata"]["name"], found["metadata"]["resourceVersion"]
        now = await self._direct.policy(name)
        version = None if now is None else now["metadata"]["resourceVersion"]
        if version != seen:
            raise PolicyChangedError(f"{name}: is at version {version}, and was seen at {seen}")

    def speaks(self, found: Document) -> bool:
        """Tell whether a policy that was listed is the one that speaks for its target."""
        return not self.only_watches(found) and self._conflicting[_version_of(found)] is None


def _version_of(found: Document) -> tuple[str, int]:
    return found["metadata"]["uid"], found["metadata"].get("generation", 0)
