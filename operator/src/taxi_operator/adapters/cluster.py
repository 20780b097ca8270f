"""The API server: the only file that knows a Kubernetes client."""

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_domain.kube import FIELD_MANAGER, GROUP, KIND, PLURAL, POLICY_UID_LABEL, VERSION
from taxi_operator.adapters.answers import words_of
from taxi_operator.texts import cut

Document = dict[str, Any]

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
#: The header has whole seconds: a smaller difference says nothing.
_CLOCK_STEP: Final = 2.0
_UNAUTHORIZED: Final = 401
_MAX_MESSAGE: Final = 500
_REASON: Final = re.compile("[A-Za-z]{0,64}")
_POLICIES: Final = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}"


class ApiError(TaxiError):
    """The API server refused a call.

    Attributes:
        status: HTTP status.
        reason: Kubernetes' word for it, for example Forbidden.
    """

    def __init__(self, verb: str, path: str, status: int, reason: str, message: str) -> None:
        self.status = status
        self.reason = reason if _REASON.fullmatch(reason) else ""
        super().__init__(f"{verb} {path}: {status} {self.reason}: {cut(message, _MAX_MESSAGE)}")


class PolicyChangedError(TaxiError):
    """A policy was changed, deleted, or deleted and made anew since it was read."""


class Cluster:
    """Calls in one namespace."""

    def __init__(self, namespace: str, timeout_seconds: float) -> None:
        self._namespace = namespace
        self._timeout = timeout_seconds
        self._client = client.ApiClient()
        self._offset = time.time() - time.monotonic()
        #: Calls in a row that were answered with 401; the login has to be made anew.
        self.refused_logins = 0

    def clock(self) -> float:
        """Return the API server's time: its objects' times are compared with it."""
        return time.monotonic() + self._offset

    @classmethod
    async def connect(cls, namespace: str, timeout_seconds: float) -> "Cluster":
        """Log in: as the pod's service account, or by the kubeconfig outside of a cluster.

        Raises:
            NotAvailableError: there is neither.
        """
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call]
        except config.ConfigException:
            try:
                await config.load_kube_config()  # type: ignore[no-untyped-call]
            except (config.ConfigException, OSError, ValueError) as error:
                # The cause is left out: it may hold what is secret.
                raise NotAvailableError(
                    f"API server: no kubeconfig can be used ({type(error).__name__}); set "
                    "KUBECONFIG, and a context"
                ) from None
        return cls(namespace, timeout_seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def policy(self, name: str) -> Document | None:
        """Return a DriftPolicy, None when it is gone."""
        return await self._find(f"{self._policies()}/{name}")

    async def policies(self) -> list[Document]:
        """Return all DriftPolicies of the namespace; there is none when the CRD was removed."""
        try:
            return await self._list(self._policies())
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
        path = f"{self._policies()}/{policy['metadata']['name']}"
        try:
            return await self._call("PATCH", path, change, content_type=_MERGE)
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
        path = f"{self._policies()}/{policy['metadata']['name']}/status"
        try:
            found = await self._call("PATCH", path, body, **how)
        except ApiError as error:
            if error.status in {404, 409}:
                raise PolicyChangedError(str(error)) from error
            raise
        policy["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]

    async def cron_job(self, name: str) -> Document | None:
        """Return a CronJob, None when there is none."""
        return await self._find(f"/apis/batch/v1/namespaces/{self._namespace}/cronjobs/{name}")

    async def create_job(self, manifest: Document) -> bool:
        """Create a Job; False when one of that name exists already."""
        try:
            await self._call("POST", self._jobs(), manifest)
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
            await self._call("PATCH", f"{self._jobs()}/{name}", body, content_type=_MERGE)
        except ApiError as error:
            if error.status != 404:
                raise

    async def job(self, name: str) -> Document | None:
        """Return a Job, None when there is none."""
        return await self._find(f"{self._jobs()}/{name}")

    async def jobs(self, policy_uid: str) -> list[Document]:
        """Return the Jobs of a policy."""
        return await self._list(self._jobs(), f"{POLICY_UID_LABEL}={policy_uid}")

    async def pods(self, selector: Mapping[str, str]) -> list[Document]:
        """Return the pods with all these labels."""
        labels = ",".join(f"{name}={value}" for name, value in selector.items())
        return await self._list(f"/api/v1/namespaces/{self._namespace}/pods", labels)

    async def deployment(self, name: str) -> Document | None:
        """Return a Deployment, None when there is none."""
        return await self._find(f"{self._deployments()}/{name}")

    async def annotate_pods(self, deployment: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a Deployment's pod template; only these fields become ours."""
        body = {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": deployment},
            "spec": {"template": {"metadata": {"annotations": dict(annotations)}}},
        }  # fmt: skip
        await self._call("PATCH", f"{self._deployments()}/{deployment}", body, **_FORCED)

    async def services(self, selector: str) -> list[Document]:
        """Return the Services with these labels."""
        return await self._list(f"/api/v1/namespaces/{self._namespace}/services", selector)

    async def service(self, name: str) -> Document | None:
        """Return a Service, None when there is none."""
        return await self._find(self._service(name))

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
        await self._call("PATCH", self._service(service), body, **_FORCED)

    async def annotate_service(self, service: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a Service, also of other field managers; None removes one."""
        body = {"metadata": {"annotations": dict(annotations)}}
        await self._call("PATCH", self._service(service), body, content_type=_MERGE)

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
        await self._call("POST", f"/api/v1/namespaces/{self._namespace}/events", body)

    def _policies(self) -> str:
        return _POLICIES.format(namespace=self._namespace)

    def _service(self, name: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/services/{name}"

    def _jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{self._namespace}/jobs"

    def _deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/{self._namespace}/deployments"

    async def _find(self, path: str) -> Document | None:
        try:
            return await self._call("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _list(self, path: str, labels: str = "") -> list[Document]:
        found = await self._call("GET", path, query=[("labelSelector", labels)] if labels else [])
        items: list[Document] = found["items"]
        return items

    async def _call(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        *,
        query: list[tuple[str, str]] | None = None,
        content_type: str = "application/json",
    ) -> Document:
        request = await self._client.param_serialize(
            method, path, query_params=query or [], body=body,
            header_params={"Accept": "application/json", "Content-Type": content_type},
            auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            answer = await self._client.call_api(*request, _request_timeout=self._timeout)
            data = await answer.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # The cause is left out: it has the request's headers, and so the login.
            raise NotAvailableError(f"API server: {method} {path}: {words_of(error)}") from None
        self.refused_logins = self.refused_logins + 1 if answer.status == _UNAUTHORIZED else 0
        self._set_clock(answer.headers.get("Date"))
        found = _document_of(data)
        if answer.status >= 400:
            # A kind that the server does not know is answered in plain text; so is much of a 5xx.
            plain = {"reason": "NotFound" if answer.status == 404 else "", "message": "no JSON"}
            told = found or plain
            reason, message = str(told.get("reason") or ""), str(told.get("message") or "")
            raise ApiError(method, path, answer.status, reason, message)
        if found is None:
            raise NotAvailableError(f"API server: {method} {path}: answers without a JSON object")
        return found

    def _set_clock(self, date: str | None) -> None:
        if date is None:
            return
        try:
            offset = parsedate_to_datetime(date).timestamp() - time.monotonic()
        except ValueError:
            return  # whatever stands between writes its own
        if abs(offset - self._offset) > _CLOCK_STEP:
            self._offset = offset


def _document_of(data: bytes) -> Document | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


_FORCED: Final[dict[str, Any]] = {
    "query": [("fieldManager", FIELD_MANAGER), ("force", "true")],
    "content_type": _APPLY,
}
