"""Deployments, their pods, and the endpoints of Services: all of them take their time."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from support.simulator.clock import Clock
from support.simulator.objects import DEPLOYMENTS, SERVICES, Document, Objects

#: How long a pod takes to be ready, and when one that could not is tried again, seconds.
START: Final = 20.0
RETRY: Final = 30.0
PROGRESS_DEADLINE: Final = 120
_OBSERVED_AFTER: Final = 1.0
_SOON: Final = 0.01

Later = Callable[[float, Callable[[], object]], None]


@dataclass(eq=False, slots=True)
class Pod:
    """One pod: it loads what the alias points at when it starts, whatever its template says."""

    name: str
    template: str
    ready: bool = False
    version: str | None = None


@dataclass(slots=True)
class Rollout:
    """What a Deployment's controller knows (true seconds, but for the text)."""

    pods: list[Pod]
    changed_at: float = -1e9
    began_at: float = -1e9
    complete: bool = True
    broken: bool = False
    unready_since: float | None = None
    available_text: str = ""


class Workloads:
    """The controllers of Deployments and endpoints, and the kubelet."""

    def __init__(
        self, objects: Objects, clock: Clock, later: Later, loaded: Callable[[str], str | None]
    ) -> None:
        """Make them.

        Args:
            objects: What is stored.
            clock: Their time.
            later: Calls something after some seconds.
            loaded: The version that a pod of a Deployment loads now; None when it cannot start.
        """
        self._objects = objects
        self._clock = clock
        self._later = later
        self._loaded = loaded
        self._made = 0
        self._rollouts: dict[str, Rollout] = {}
        self.endpoint_delay = 1.0
        self.endpoints: dict[str, set[str]] = {}
        self._told: dict[str, Document] = {}

    def add(self, name: str, *, ready: bool = False) -> None:
        """Make a Deployment of one pod, which is ready at once or starts now."""
        labels = {"app": name}
        document = {
            "spec": {
                "replicas": 1, "selector": {"matchLabels": labels},
                "progressDeadlineSeconds": PROGRESS_DEADLINE,
                "template": {"metadata": {"labels": labels, "annotations": {}}},
            }
        }  # fmt: skip
        self._objects.add(DEPLOYMENTS, name, document)
        rollout = Rollout([], unready_since=self._clock.seconds)
        rollout.available_text = self._clock.api_text
        self._rollouts[name] = rollout
        self._roll(name)
        if ready:
            self._start(name, rollout.pods[0])
        self._tell(name)

    def remove(self, name: str) -> None:
        """Delete a Deployment and its pods."""
        self._objects.remove(DEPLOYMENTS, name)
        self._told.pop(name, None)
        if self._rollouts.pop(name, None) is not None:
            self.follow()

    def break_pods(self, name: str, *, broken: bool = True) -> None:
        """Take all pods away from a Deployment's readiness, or let them start again."""
        rollout = self._rollouts.get(name)
        if rollout is None:
            return
        was, rollout.broken = rollout.broken, broken
        if was or not broken:
            return
        for pod in rollout.pods:
            pod.ready = False
            self._later(RETRY, lambda pod=pod: self._start(name, pod))  # type: ignore[misc]
        self._note(name)

    def pause(self, name: str, *, paused: bool) -> None:
        """Pause a Deployment's rollouts, or let them go on."""
        found = self._objects.find(DEPLOYMENTS, name)
        if found is not None and bool(found["spec"].get("paused")) is not paused:
            found["spec"]["paused"] = paused
            self._changed(found)

    def annotate(self, name: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a pod template; another template is rolled out."""
        found = self._objects.find(DEPLOYMENTS, name)
        if found is None:  # an apply would make a Deployment without a selector
            raise KeyError(name)
        present = found["spec"]["template"]["metadata"]["annotations"]
        if {**present, **annotations} != present:
            present.update(annotations)
            self._changed(found)

    def document(self, name: str) -> Document | None:
        """Return a Deployment with its status."""
        found = self._objects.find(DEPLOYMENTS, name)
        if found is None or name not in self._rollouts:
            return found
        return {**found, "status": self._status(found)}

    def ready(self, name: str) -> int:
        """Return the ready pods of a Deployment, 0 without one."""
        rollout = self._rollouts.get(name)
        return sum(pod.ready for pod in rollout.pods) if rollout else 0

    def unready_for(self, name: str) -> float:
        """Return for how many seconds a Deployment has had no ready pod; 0 when it has one."""
        rollout = self._rollouts.get(name)
        if rollout is None:
            return float("inf")
        since = rollout.unready_since
        return 0.0 if since is None else self._clock.seconds - since

    def template(self, name: str) -> dict[str, str]:
        """Return the annotations of a Deployment's pod template."""
        found = self._objects.find(DEPLOYMENTS, name)
        return dict(found["spec"]["template"]["metadata"]["annotations"]) if found else {}

    def versions(self, name: str) -> set[str | None]:
        """Return what the pods of a Deployment have loaded."""
        rollout = self._rollouts.get(name)
        return {pod.version for pod in rollout.pods} if rollout else set()

    def pods(self, labels: Mapping[str, str]) -> list[Document]:
        """Return the pods of the Deployment with these labels."""
        rollout = self._rollouts.get(labels.get("app", ""))
        return [{"metadata": {"name": pod.name}} for pod in rollout.pods] if rollout else []

    def follow(self) -> None:
        """Let the endpoints of all Services follow, after their delay."""
        self._later(self.endpoint_delay, self._follow)

    def _follow(self) -> None:
        for service in self._objects.all(SERVICES):
            selected = ((service.get("spec") or {}).get("selector") or {}).get("app", "")
            rollout = self._rollouts.get(selected)
            pods = rollout.pods if rollout else []
            self.endpoints[service["metadata"]["name"]] = {pod.name for pod in pods if pod.ready}

    def _changed(self, found: Document) -> None:
        self._objects.touch(found, spec=True)
        name = found["metadata"]["name"]
        self._rollouts[name].changed_at = self._clock.seconds
        self._later(_OBSERVED_AFTER, lambda: self._roll(name))
        self._tell(name)
        self._later(_OBSERVED_AFTER + _SOON, lambda: self._tell(name))

    def _roll(self, name: str) -> None:
        found, rollout = self._objects.find(DEPLOYMENTS, name), self._rollouts.get(name)
        if found is None or rollout is None or found["spec"].get("paused"):
            return
        template = _template(found)
        # An old set of pods is scaled down at once as far as it is not ready.
        rollout.pods = [pod for pod in rollout.pods if pod.ready or pod.template == template]
        if any(pod.template == template for pod in rollout.pods):
            self._settle(name)
        else:
            rollout.began_at, rollout.complete = self._clock.seconds, False
            pod = self._new_pod(name)
            self._later(START, lambda: self._start(name, pod))
            self._later(PROGRESS_DEADLINE + _SOON, lambda: self._tell(name))
        self._note(name)

    def _new_pod(self, name: str) -> Pod:
        found = self._objects.find(DEPLOYMENTS, name)
        assert found is not None
        self._made += 1
        pod = Pod(f"{name}-{self._made}", _template(found))
        self._rollouts[name].pods.append(pod)
        return pod

    def _start(self, name: str, pod: Pod) -> None:
        rollout = self._rollouts.get(name)
        if rollout is None or pod not in rollout.pods or pod.ready:
            return
        pod.version = None if rollout.broken else self._loaded(name)
        if pod.version is None:
            self._later(RETRY, lambda: self._start(name, pod))
            return
        pod.ready = True
        self._settle(name)
        self._note(name)

    def _settle(self, name: str) -> None:
        """Let the pods of older templates go once one of the newest is ready."""
        found, rollout = self._objects.find(DEPLOYMENTS, name), self._rollouts[name]
        if found is None or found["spec"].get("paused"):
            return
        template = _template(found)
        if any(pod.ready and pod.template == template for pod in rollout.pods):
            rollout.pods = [pod for pod in rollout.pods if pod.template == template]
            rollout.complete = True

    def _note(self, name: str) -> None:
        rollout, ready = self._rollouts[name], self.ready(name)
        if bool(ready) is (rollout.unready_since is not None):
            rollout.unready_since = None if ready else self._clock.seconds
            rollout.available_text = self._clock.api_text
        self._tell(name)
        self.follow()

    def _tell(self, name: str) -> None:
        """Let watches know of a Deployment whose status is another one than before."""
        found = self._objects.find(DEPLOYMENTS, name)
        if found is None or name not in self._rollouts:
            return
        status = self._status(found)
        if status != self._told.get(name):
            self._told[name] = status
            self._objects.touch(found)

    def _status(self, found: Document) -> Document:
        name, generation = found["metadata"]["name"], found["metadata"]["generation"]
        rollout, now = self._rollouts[name], self._clock.seconds
        seen = now - rollout.changed_at >= _OBSERVED_AFTER
        template, ready = _template(found), self.ready(name)
        status: dict[str, Any] = {
            "observedGeneration": generation if seen else generation - 1,
            "replicas": len(rollout.pods), "readyReplicas": ready,
            "updatedReplicas": sum(pod.template == template for pod in rollout.pods),
        }  # fmt: skip
        late = (
            not rollout.complete
            and not found["spec"].get("paused")
            and now - rollout.began_at > PROGRESS_DEADLINE
        )
        exceeded = {
            "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": f"{name} has timed out progressing",
        }  # fmt: skip
        available = {
            "type": "Available", "status": str(bool(ready)),
            "lastTransitionTime": rollout.available_text,
        }  # fmt: skip
        status["conditions"] = [available, *([exceeded] if late else [])]
        return status


def _template(found: Mapping[str, Any]) -> str:
    return json.dumps(found["spec"]["template"]["metadata"]["annotations"], sort_keys=True)
