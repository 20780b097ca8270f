"""What the operator reads of a namespace, by whichever way."""

from collections.abc import Mapping
from typing import Any, Protocol

Document = dict[str, Any]


class Reads(Protocol):
    """Objects of one namespace; what is returned is nobody's to change, but for a policy."""

    async def policy(self, name: str) -> Document | None:
        """Return a DriftPolicy, None when it is gone."""
        ...

    async def policies(self) -> list[Document]:
        """Return all DriftPolicies."""
        ...

    async def cron_job(self, name: str) -> Document | None:
        """Return a CronJob, None when there is none."""
        ...

    async def job(self, name: str) -> Document | None:
        """Return a Job, None when there is none."""
        ...

    async def jobs(self, policy_uid: str) -> list[Document]:
        """Return the Jobs of a policy."""
        ...

    async def pods(self, selector: Mapping[str, str]) -> list[Document]:
        """Return the pods with all these labels."""
        ...

    async def deployment(self, name: str) -> Document | None:
        """Return a Deployment, None when there is none."""
        ...

    async def services(self, selector: str) -> list[Document]:
        """Return the Services with these labels."""
        ...

    async def service(self, name: str) -> Document | None:
        """Return a Service, None when there is none."""
        ...

    async def endpoint_pods(self, service: str) -> set[str]:
        """Return the names of the pods that a Service sends to now."""
        ...
