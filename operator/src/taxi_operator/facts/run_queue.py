"""Which runs may have a Job now: so many at a time, first come, first served."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core.jobs import ended_at

#: Runs at the same time where nobody says otherwise.
DEFAULT_MOST: Final = 100
#: How long a run that was let in, and has no Job yet, keeps its place: longer than a call that
#: makes one can take effect, seconds.
RESERVED_SECONDS: Final = 120.0
#: Who has not asked again for so long does not wait any more, seconds.
_FORGOTTEN_SECONDS: Final = 120.0


class RunQueue:
    """Lets runs in while fewer Jobs than the limit are unfinished.

    One process keeps the limit strictly: it lists the Jobs and takes the place under one lock, and
    makes a Job only with a place. A place that was taken counts until a listing has the Job.
    Two processes at the same time may each let one in.

    Args:
        cluster: The API server; the Jobs are read there, and from no copy.
        most: Unfinished Jobs at the same time.
        instance: The release whose Jobs count; empty: all of the namespace.
    """

    def __init__(self, cluster: Cluster, most: int, instance: str = "") -> None:
        self._cluster = cluster
        self._most = most
        self._instance = instance
        self._lock = asyncio.Lock()
        #: Until when a Job that is to be made keeps its place, by its name.
        self._reserved: dict[str, float] = {}
        #: When each policy asked last, by its uid, in the order in which they came.
        self._asked: dict[str, float] = {}

    async def lets_in(self, uid: str, job: str) -> bool:
        """Tell whether a policy may make a Job now; it has the place then for a while.

        Args:
            uid: Of the policy.
            job: Name of the Job.

        Raises:
            TaxiError: the API server does not answer or refuses.
        """
        async with self._lock:
            now = _now()
            if self._reserved.get(job, now) <= now:
                found = await self._cluster.retrain_jobs(self._instance)
                now = _now()
                taken = self._taken(found, now)
                if job not in taken and len(taken) + self._ahead_of(uid, now) >= self._most:
                    return False
            self._asked.pop(uid, None)
            self._reserved[job] = now + RESERVED_SECONDS
            return True

    async def give_back(self, job: str) -> None:
        """Give the place of a Job up that could not be made: others must not wait for it."""
        async with self._lock:
            self._reserved.pop(job, None)

    def _taken(self, jobs: Sequence[Mapping[str, Any]], now: float) -> set[str]:
        """Return the names of the Jobs that have a place: those that go on, or are to be made."""
        known = {one["metadata"]["name"]: ended_at(one) is None for one in jobs}
        self._reserved = {
            job: until for job, until in self._reserved.items() if until > now and job not in known
        }
        return {job for job, goes_on in known.items() if goes_on} | self._reserved.keys()

    def _ahead_of(self, uid: str, now: float) -> int:
        """Return how many came before a policy and still wait; it waits from now on."""
        self._asked = {
            one: at for one, at in self._asked.items() if now - at < _FORGOTTEN_SECONDS
        }  # fmt: skip
        self._asked[uid] = now
        return list(self._asked).index(uid)


def _now() -> float:
    """Return the time of the event loop, seconds that only grow."""
    return asyncio.get_running_loop().time()
