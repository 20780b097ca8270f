"""The objects of a namespace: versions, generations, owners, statuses of two writers."""

import marshal
from collections.abc import Callable, Mapping
from typing import Any, Final

from support.simulator.clock import Clock
from taxi_domain.kube import GROUP
from taxi_operator.adapters.cluster import PolicyChangedError

Document = dict[str, Any]

POLICIES: Final = "policies"
JOBS: Final = "jobs"
CRON_JOBS: Final = "cronjobs"
DEPLOYMENTS: Final = "deployments"
SERVICES: Final = "services"
#: On a Service while a promotion of its target is open.
PROMOTION: Final = f"{GROUP}/promotion"


def copied(document: Any) -> Any:
    """Return a copy of a JSON document; much faster than `copy.deepcopy`."""
    return marshal.loads(marshal.dumps(document))


class Objects:
    """What an API server stores."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[str, dict[str, Document]] = {}
        #: What people, and other releases, wrote into a policy's status, by its uid.
        self._foreign: dict[str, Document] = {}
        self._version = 0
        self._kind_of: dict[str, str] = {}
        #: Called with each change: kind, word of a watch, and the object.
        self.on_change: Callable[[str, str, Document], None] = lambda _kind, _event, _object: None
        self.on_removed: Callable[[str, Document], None] = lambda _kind, _document: None

    def all(self, kind: str) -> list[Document]:
        """Return the objects of a kind as they are stored."""
        return list(self._kinds.get(kind, {}).values())

    def find(self, kind: str, name: str) -> Document | None:
        """Return an object as it is stored."""
        return self._kinds.get(kind, {}).get(name)

    def add(self, kind: str, name: str, document: Mapping[str, Any]) -> Document:
        """Store a new object."""
        stored: Document = copied(dict(document))
        self._version += 1
        metadata = stored.setdefault("metadata", {})
        metadata.update(
            name=name, namespace="simulated", generation=1,
            uid=f"{self._version:08x}-0000-4000-8000-000000000000",
            resourceVersion=str(self._version), creationTimestamp=self._clock.api_text,
        )  # fmt: skip
        self._kinds.setdefault(kind, {})[name] = stored
        self._kind_of[metadata["uid"]] = kind
        self.on_change(kind, "ADDED", stored)
        return stored

    def touch(self, document: Document, *, spec: bool = False) -> None:
        """Give an object that was changed its new version, and a generation."""
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        document["metadata"]["generation"] += spec
        self.on_change(self._kind_of[document["metadata"]["uid"]], "MODIFIED", document)

    @property
    def version(self) -> int:
        """The version of the newest change."""
        return self._version

    def remove(self, kind: str, name: str) -> None:
        """Delete an object; one with a finalizer is only marked. What it owns goes with it."""
        found = self.find(kind, name)
        if found is None:
            return
        if found["metadata"].get("finalizers"):
            found["metadata"].setdefault("deletionTimestamp", self._clock.api_text)
            self.touch(found, spec=True)
            return
        del self._kinds[kind][name]
        self._version += 1
        found["metadata"]["resourceVersion"] = str(self._version)
        self.on_change(kind, "DELETED", found)
        self.on_removed(kind, found)
        for job in self.all(JOBS):
            owners = {one["uid"] for one in job["metadata"].get("ownerReferences") or []}
            if found["metadata"]["uid"] in owners:
                self.remove(JOBS, job["metadata"]["name"])

    def release(self, kind: str, name: str) -> None:
        """Take the finalizers off an object; one that was marked is gone then."""
        found = self.find(kind, name)
        if found is not None and found["metadata"].pop("finalizers", None):
            self.touch(found)
            if "deletionTimestamp" in found["metadata"]:
                self.remove(kind, name)

    def apply_status(self, policy: Document, status: Document) -> Document:
        """Apply the whole status of the operator; what others wrote beside it stays.

        Raises:
            PolicyChangedError: it is not any more as it was read.
        """
        found = self._unchanged(policy)
        uid = found["metadata"]["uid"]
        self._foreign[uid] = _without(self._foreign.get(uid, {}), status)
        self._set_status(found, _overlaid(self._foreign[uid], copied(status)))
        return found

    def remove_status(self, policy: Document, parts: Mapping[str, Any]) -> Document:
        """Remove parts of a status, whoever wrote them: None stands for what goes.

        Raises:
            PolicyChangedError: it is not any more as it was read.
        """
        found = self._unchanged(policy)
        foreign = self._foreign.get(found["metadata"]["uid"], {})
        self._foreign[found["metadata"]["uid"]] = _merged(foreign, parts)
        self._set_status(found, _merged(found.get("status") or {}, parts))
        return found

    def change_spec(self, policy: Document, changes: Mapping[str, Any]) -> Document:
        """Change fields of a spec: None removes one.

        Raises:
            PolicyChangedError: the policy is not any more as it was read.
        """
        found = self._unchanged(policy)
        spec = _merged(found["spec"], changes)
        if spec != found["spec"]:
            found["spec"] = spec
            self.touch(found, spec=True)
        return found

    def write_status(self, name: str, changes: Mapping[str, Any] | None) -> None:
        """Change a status by another hand; None loses it, as a restore without status does."""
        found = self.find(POLICIES, name)
        if found is None:
            return
        foreign = self._foreign.setdefault(found["metadata"]["uid"], {})
        if changes is None:
            foreign.clear()
            self._set_status(found, {})
            return
        self._foreign[found["metadata"]["uid"]] = _overlaid(foreign, copied(dict(changes)))
        self._set_status(found, _overlaid(found.get("status") or {}, copied(dict(changes))))

    def _set_status(self, found: Document, status: Document) -> None:
        if status != (found.get("status") or {}):
            found["status"] = status
            self.touch(found)

    def _unchanged(self, policy: Document) -> Document:
        metadata = policy["metadata"]
        found = self.find(POLICIES, metadata["name"])
        if found is None:
            raise PolicyChangedError("404")
        if found["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise PolicyChangedError("409")
        return found


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> Document:
    """Return two documents as one; lists and values of the upper one hide those below."""
    both = dict(below)
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(both.get(name), dict):
            both[name] = _overlaid(both[name], value)
        else:
            both[name] = value
    return both


def _without(document: Mapping[str, Any], taken: Mapping[str, Any]) -> Document:
    """Return what another writer still owns once somebody else wrote the same fields."""
    kept: Document = {}
    for name, value in document.items():
        if name not in taken:
            kept[name] = value
        elif isinstance(value, dict) and isinstance(taken[name], dict):
            kept[name] = _without(value, taken[name])
    return {name: value for name, value in kept.items() if value != {}}


def _merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Document:
    """Return a document after a JSON merge patch (RFC 7396)."""
    merged = dict(document)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = _merged(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged
