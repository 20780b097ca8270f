"""The objects of a namespace: what the operator asks the API server for."""

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_domain.kube import (
    ATTEMPT_LABEL,
    FIELD_MANAGER,
    GROUP,
    INSTANCE_LABEL,
    KIND,
    POLICY_UID_LABEL,
    VERSION,
)
from taxi_operator.adapters.api_server import ApiError as ApiError
from taxi_operator.adapters.api_server import ApiServer, document_of
from taxi_operator.adapters.kinds import CRON_JOBS, DEPLOYMENTS, JOBS, POLICIES, SERVICES, Kind
from taxi_operator.adapters.store import version_of
from taxi_operator.adapters.watch import Page

Document = dict[str, Any]

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
#: Objects of a part of a list: whole ones are large.
_PAGE: Final = 100


class PolicyChangedError(TaxiError):
    """A policy was changed, deleted, or deleted and made anew since it was read."""


class Cluster:
    """Calls in one namespace.

    Args:
        namespace: The namespace.
        api: Its API server.
    """

    def __init__(self, namespace: str, api: ApiServer) -> None:
        self._namespace = namespace
        self._api = api
        self._tell: Callable[[Kind, Mapping[str, Any]], None] = lambda _kind, _object: None

    @classmethod
    async def connect(
        cls, namespace: str, timeout_seconds: float, kubeconfig: Path | None = None
    ) -> "Cluster":
        """Log in: as the pod's service account, or by a kubeconfig outside of a cluster.

        Raises:
            NotAvailableError: there is neither.
        """
        return cls(namespace, await ApiServer.connect(timeout_seconds, kubeconfig))

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    def login_refused_seconds(self) -> float:
        """Return for how long every call has been answered with 401; 0: the last was not."""
        return self._api.login_refused_seconds()

    def clock(self) -> float:
        """Return the API server's time: its objects' times are compared with it."""
        return self._api.clock()

    def tells(self, tell: Callable[[Kind, Mapping[str, Any]], None]) -> None:
        """Let somebody know of every object of the watched kinds that a call is answered with."""
        self._tell = tell

    async def page(self, kind: Kind, after: str) -> Page:
        """Return a part of the list of a kind, as the kind keeps its objects.

        Args:
            kind: What is listed.
            after: Token of the part, empty for the first one.
        """
        query = [("limit", str(_PAGE))]
        query += [("labelSelector", kind.labels)] if kind.labels else []
        query += [("continue", after)] if after else []
        found = await self._api.call("GET", self._path(kind), query=query)
        try:
            version = version_of(found)
        except (KeyError, ValueError):
            raise NotAvailableError(f"API server: {kind.name} have no versions") from None
        objects = [kind.kept(one) for one in found["items"]]
        return Page(objects, version, found["metadata"].get("continue") or "")

    async def changes(
        self, kind: Kind, version: int, seconds: int
    ) -> AsyncGenerator[tuple[str, Mapping[str, Any]], None]:
        """Yield the changes of a kind's objects; an empty word once the server has answered.

        Args:
            kind: What is watched.
            version: The last one that is known.
            seconds: How long.
        """
        query = [
            ("watch", "1"), ("resourceVersion", str(version)), ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
            *([("labelSelector", kind.labels)] if kind.labels else []),
        ]  # fmt: skip
        async for line in self._api.lines(self._path(kind), query):
            if not line:
                yield "", {}
                continue
            found = document_of(line)
            if found is None:
                raise NotAvailableError(f"API server: the watch of {kind.name} is no JSON")
            yield str(found.get("type")), found.get("object") or {}

    async def policy(self, name: str) -> Document | None:
        """Return a DriftPolicy, None when it is gone."""
        return await self._find(POLICIES, name)

    async def policies(self) -> list[Document]:
        """Return all DriftPolicies of the namespace; there is none when the CRD was removed."""
        try:
            return await self._list(self._path(POLICIES))
        except ApiError as error:
            if error.status == 404:
                return []
            raise

    async def change_policy(self, policy: Document, spec: Mapping[str, Any]) -> Document:
        """Change fields of a policy's spec, None removes one; return the policy as it is then.

        Raises:
            PolicyChangedError: the policy is not any more as it was read.
        """
        version = policy["metadata"]["resourceVersion"]
        change = {"metadata": {"resourceVersion": version}, "spec": dict(spec)}
        path = f"{self._path(POLICIES)}/{policy['metadata']['name']}"
        try:
            return await self._one(POLICIES, "PATCH", path, change, content_type=_MERGE)
        except ApiError as error:
            if error.status in {404, 409}:
                raise PolicyChangedError(str(error)) from error
            raise

    async def apply_status(self, policy: Document, status: Document) -> None:
        """Write a policy's whole status by server-side apply.

        Raises:
            PolicyChangedError: the policy is not any more as it was read.
        """
        name, version = policy["metadata"]["name"], policy["metadata"]["resourceVersion"]
        whole = {
            "apiVersion": f"{GROUP}/{VERSION}", "kind": KIND,
            "metadata": {"name": name, "resourceVersion": version}, "status": status,
        }  # fmt: skip
        await self._change_status(policy, whole, _FORCED)

    async def remove_status(self, policy: Document, parts: Mapping[str, Any]) -> None:
        """Remove parts of a policy's status, of any field manager: None stands for what goes.

        What another field manager wrote does not go by applying a status without it.

        Raises:
            PolicyChangedError: the policy is not any more as it was read.
        """
        version = policy["metadata"]["resourceVersion"]
        change = {
            "metadata": {"resourceVersion": version}, "status": dict(parts),
        }  # fmt: skip
        await self._change_status(policy, change, {"content_type": _MERGE})

    async def _change_status(
        self, policy: Document, body: Document, how: Mapping[str, Any]
    ) -> None:
        """Change a policy's status; the policy is at its new version then.

        The version is a precondition, so that what was decided for one policy is not written onto
        its heir of the same name. (The uid is none: the status' endpoint does not look at it.)
        """
        path = f"{self._path(POLICIES)}/{policy['metadata']['name']}/status"
        try:
            found = await self._one(POLICIES, "PATCH", path, body, **how)
        except ApiError as error:
            if error.status in {404, 409}:
                raise PolicyChangedError(str(error)) from error
            raise
        policy["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]

    async def cron_job(self, name: str) -> Document | None:
        """Return a CronJob, None when there is none."""
        return await self._find(CRON_JOBS, name)

    async def create_job(self, manifest: Document) -> bool:
        """Create a Job; False when one of that name exists already."""
        try:
            await self._one(JOBS, "POST", self._path(JOBS), manifest)
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                return False
            raise
        return True

    async def end_job(self, name: str) -> None:
        """Let a Job end now: its controller kills the pods; one that has ended, or is gone, stays.

        It is not deleted, so that it can be looked at, and counts as a run.
        """
        body = {"spec": {"activeDeadlineSeconds": 1}}
        try:
            await self._patch(JOBS, name, body, content_type=_MERGE)
        except ApiError as error:
            if error.status != 404:
                raise

    async def job(self, name: str) -> Document | None:
        """Return a Job, None when there is none."""
        return await self._find(JOBS, name)

    async def jobs(self, policy_uid: str) -> list[Document]:
        """Return the Jobs of a policy."""
        return await self._list(self._path(JOBS), f"{POLICY_UID_LABEL}={policy_uid}")

    async def retrain_jobs(self, instance: str) -> list[Document]:
        """Return the retrain Jobs of all policies of a release; without a name: of all releases."""
        labels = [POLICY_UID_LABEL, ATTEMPT_LABEL]
        labels += [f"{INSTANCE_LABEL}={instance}"] if instance else []
        return await self._list(self._path(JOBS), ",".join(labels))

    async def pods(self, selector: Mapping[str, str]) -> list[Document]:
        """Return the pods with all these labels."""
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        return await self._list(f"/api/v1/namespaces/{self._namespace}/pods", labels)

    async def deployment(self, name: str) -> Document | None:
        """Return a Deployment, None when there is none."""
        return await self._find(DEPLOYMENTS, name)

    async def annotate_pods(self, deployment: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a Deployment's pod template; only these fields become ours."""
        body = {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": deployment},
            "spec": {"template": {"metadata": {"annotations": dict(annotations)}}},
        }  # fmt: skip
        await self._patch(DEPLOYMENTS, deployment, body, **_FORCED)

    async def services(self, selector: str) -> list[Document]:
        """Return the Services with these labels."""
        return await self._list(self._path(SERVICES), selector)

    async def service(self, name: str) -> Document | None:
        """Return a Service, None when there is none."""
        return await self._find(SERVICES, name)

    async def select_pods(
        self,
        service: str,
        labels: Mapping[str, str],
    ) -> None:
        """Let a Service select these pods; only the selector becomes ours."""
        body = {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": service},
            "spec": {"selector": dict(labels)},
        }  # fmt: skip
        await self._patch(SERVICES, service, body, **_FORCED)

    async def annotate_service(self, service: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a Service, also of other field managers; None removes one."""
        body = {"metadata": {"annotations": dict(annotations)}}
        await self._patch(SERVICES, service, body, content_type=_MERGE)

    async def endpoint_pods(self, service: str) -> set[str]:
        """Return the names of the pods that a Service sends to now."""
        slices = await self._list(
            f"/apis/discovery.k8s.io/v1/namespaces/{self._namespace}/endpointslices",
            f"kubernetes.io/service-name={service}",
        )
        return {
            endpoint["targetRef"]["name"]
            for one in slices
            for endpoint in one.get("endpoints") or []
            if (endpoint.get("conditions") or {}).get("ready") and endpoint.get("targetRef")
        }

    async def event(
        self, found: Mapping[str, Any], reason: str, message: str, *, warning: bool,
        kind: str = KIND,
    ) -> None:  # fmt: skip
        """Tell people about a transition of a policy, or of a Service that has none."""
        metadata = found["metadata"]
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        body = {
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"generateName": f"{metadata['name']}-", "namespace": self._namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}" if kind == KIND else "v1", "kind": kind,
                "name": metadata["name"], "namespace": self._namespace, "uid": metadata["uid"],
            },
            "type": "Warning" if warning else "Normal", "reason": reason,
            "message": message, "firstTimestamp": now, "lastTimestamp": now, "count": 1,
            "source": {"component": FIELD_MANAGER}, "reportingComponent": FIELD_MANAGER,
        }  # fmt: skip
        await self._api.call("POST", f"/api/v1/namespaces/{self._namespace}/events", body)

    def _path(self, kind: Kind) -> str:
        return kind.path.format(namespace=self._namespace)

    async def _find(self, kind: Kind, name: str) -> Document | None:
        try:
            return await self._one(kind, "GET", f"{self._path(kind)}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _patch(self, kind: Kind, name: str, body: Document, **how: Any) -> None:
        await self._one(kind, "PATCH", f"{self._path(kind)}/{name}", body, **how)

    async def _one(
        self, kind: Kind, method: str, path: str, body: Document | None = None, **how: Any
    ) -> Document:
        """Call the API server for one object, and tell of it as it is then."""
        found = await self._api.call(method, path, body, **how)
        self._tell(kind, found)
        return found

    async def _list(self, path: str, labels: str = "") -> list[Document]:
        query = [("labelSelector", labels)] if labels else []
        found = await self._api.call("GET", path, query=query)
        items: list[Document] = found["items"]
        return items


_FORCED: Final[dict[str, Any]] = {
    "query": [("fieldManager", FIELD_MANAGER), ("force", "true")],
    "content_type": _APPLY,
}
