"""The kinds of objects that are watched, and what is kept of each. Pure."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.kube import GROUP, PLURAL, POLICY_UID_LABEL, VERSION
from taxi_operator.core.services import ACTIVE_SERVICES

Document = dict[str, Any]
#: What is kept of a document, by field: parts of a part, or what a function leaves of it.
Shape = Mapping[str, "Shape | Callable[[Any], Any]"]


def shared(value: Any) -> Any:
    """Return a JSON value whose names are kept once, however many objects have them."""
    if isinstance(value, dict):
        return {sys.intern(name): shared(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shared(part) for part in value]
    return value


def _ours(annotations: Any) -> Any:
    """Leave out what others note, such as whole manifests."""
    if not isinstance(annotations, Mapping):
        return None
    return {name: text for name, text in annotations.items() if name.startswith(f"{GROUP}/")}


_METADATA: Final[Shape] = dict.fromkeys(
    (
        "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "labels",
    ),
    shared,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of objects in one namespace.

    Attributes:
        name: For people.
        path: Of the list; `{namespace}` stands for the namespace.
        labels: Label selector of those that are watched, empty for all.
        shape: What is kept of each.
        group: Label by whose value they are looked up, empty for none.
    """

    name: str
    path: str
    labels: str
    shape: Shape
    group: str = ""

    def kept(self, document: Mapping[str, Any]) -> Document:
        """Return what is kept of an object."""
        found: Document = _kept(document, self.shape)
        return found


def _kept(value: Any, shape: Shape) -> Any:
    if isinstance(value, list):
        return [_kept(one, shape) for one in value]
    if not isinstance(value, Mapping):
        return value
    found = {}
    for name, part in shape.items():
        if name in value:
            found[name] = part(value[name]) if callable(part) else _kept(value[name], part)
    return found


POLICIES: Final = Kind(
    "driftpolicies", f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}", "",
    {"metadata": _METADATA, "spec": shared, "status": shared},
)  # fmt: skip
SERVICES: Final = Kind(
    "services", "/api/v1/namespaces/{namespace}/services", ACTIVE_SERVICES,
    {"metadata": {**_METADATA, "annotations": _ours}, "spec": {"selector": shared}},
)  # fmt: skip
DEPLOYMENTS: Final = Kind(
    "deployments", "/apis/apps/v1/namespaces/{namespace}/deployments", "",
    {
        "metadata": {name: part for name, part in _METADATA.items() if name != "labels"},
        "spec": {
            **dict.fromkeys(
                ("replicas", "paused", "selector", "strategy", "progressDeadlineSeconds"), shared
            ),
            "template": {"metadata": {"annotations": _ours}},
        },
        "status": {
            **dict.fromkeys(
                ("observedGeneration", "replicas", "updatedReplicas", "readyReplicas"), shared
            ),
            "conditions": dict.fromkeys(
                ("type", "status", "reason", "message", "lastTransitionTime"), shared
            ),
        },
    },
)  # fmt: skip
#: Of policies; those of reports are looked at one by one, while they run.
JOBS: Final = Kind(
    "jobs", "/apis/batch/v1/namespaces/{namespace}/jobs", POLICY_UID_LABEL,
    {
        "metadata": {**_METADATA, "annotations": _ours, "ownerReferences": {"uid": shared}},
        "status": {
            "conditions": dict.fromkeys(
                ("type", "status", "reason", "message", "lastTransitionTime"), shared
            ),
        },
    },
    group=POLICY_UID_LABEL,
)  # fmt: skip
#: Only that they are there, and whose they are: a Job is made from one that is read directly.
CRON_JOBS: Final = Kind(
    "cronjobs", "/apis/batch/v1/namespaces/{namespace}/cronjobs", "", {"metadata": _METADATA}
)
WATCHED: Final = (POLICIES, SERVICES, DEPLOYMENTS, JOBS, CRON_JOBS)


def matches(labels: Mapping[str, str] | None, selector: str) -> bool:
    """Tell whether labels satisfy a selector: `a`, `a=b` and `a!=b`, with commas between.

    >>> matches({"a": "1"}, "a,a!=2"), matches({"a": "1"}, "a=2"), matches({}, "a!=2")
    (True, False, True)
    """
    found = labels or {}
    for term in filter(None, selector.split(",")):
        name, _, value = term.partition("=")
        if name.endswith("!"):
            fits = found.get(name[:-1]) != value
        else:
            fits = found.get(name) == value if "=" in term else name in found
        if not fits:
            return False
    return True
