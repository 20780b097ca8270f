"""A whole world around the operator, and what may befall it."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from support.simulator.clock import Clock, SimulatedLoop, text_of
from support.simulator.cluster import Namespace
from support.simulator.faults import Network
from support.simulator.journal import Journal
from support.simulator.objects import JOBS, POLICIES, SERVICES, Document, Objects
from support.simulator.policies import Target, spec_of
from support.simulator.process import Process
from support.simulator.prometheus import Monitoring
from support.simulator.receiver import Hook
from support.simulator.registry import Models
from support.simulator.train_job import Outcome, TrainJobs
from support.simulator.workloads import Workloads
from taxi_domain.errors import FieldError
from taxi_domain.kube import GROUP
from taxi_domain.models import Alias, ModelState
from taxi_operator.effects.executor import Executor
from taxi_operator.spec.policy import policy_of

HEALTHY, BREACHED = 0.1, 5.0
_RESTART = 10.0


class World:
    """A namespace with some targets, a registry, a Prometheus, and processes of the operator.

    Args:
        targets: Each gets its Deployments, Service, model, CronJob and signals.
        seed: Of the latencies.
        pace: Seconds between two passes of the operator over the Services.
        max_runs: Most unfinished retrain Jobs at a time.
        hook: Whether decisions are told to a webhook.
    """

    def __init__(
        self, *targets: Target, seed: int = 0, pace: float = 15.0, max_runs: int = 100,
        hook: bool = False,
    ) -> None:  # fmt: skip
        self.clock = Clock()
        self.loop = SimulatedLoop(self.clock)
        self.network = Network(seed)
        self.journal = Journal(self.clock)
        self.objects = Objects(self.clock)
        self.workloads = Workloads(self.objects, self.clock, self.later, self._loaded)
        self.namespace = Namespace(self.clock, self.journal, self.workloads, self.objects)
        self.namespace.sample_ages = self._sample_ages
        self.models = Models(self.clock, self.journal)
        self.models.promotions = self.namespace.promotions
        self.monitoring = Monitoring(self.clock)
        self.jobs = TrainJobs(self.namespace, self.models, self.network, self.later)
        self.targets = targets
        self.processes: list[Process] = []
        self.pace, self.max_runs = pace, max_runs
        self.executor: Callable[..., Executor] = Executor
        self.hook = Hook(self.journal) if hook else None
        self._started = 0
        self._asked = 0
        for target in targets:
            self._furnish(target)

    # Time

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Let something happen after some seconds."""
        self.loop.call_later(seconds, act)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        with self.running():
            self.loop.run_until_complete(asyncio.sleep(seconds))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the operator's code have this world's time and Prometheus."""
        disabled = logging.root.manager.disable
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "monotonic", self.loop.time)
            logging.disable(logging.CRITICAL)
            try:
                yield
            finally:
                logging.disable(disabled)

    def close(self) -> None:
        """End everything that runs."""
        for process in self.processes:
            process.stop()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        with self.running():
            for task in left:
                with suppress(asyncio.CancelledError):
                    self.loop.run_until_complete(task)
        self.loop.close()

    # The operator

    def start(self) -> Process:
        """Start a process of the operator."""
        self._started += 1
        process = Process(self, f"operator-{self._started}", self._died)
        self.processes.append(process)
        return process

    def stop(self, process: Process) -> None:
        """End a process for good."""
        process.stop()
        with suppress(ValueError):
            self.processes.remove(process)

    def kill(self) -> None:
        """Let all processes die where they stand; each is started anew."""
        for process in list(self.processes):
            self._died(process)
            process.stop()

    def _died(self, process: Process) -> None:
        self.journal.note("kill", process=process.caller.name)
        self.processes.remove(process)
        self.later(_RESTART, self.start)

    # Policies

    def add_policy(self, target: Target, name: str = "", **spec: Any) -> Document:
        """Create a policy; what is given takes the place of a part of its spec."""
        whole = {**spec_of(target), **spec}
        name = name or target.policy
        self._note_mode(name, whole["mode"], whole)
        return self.objects.add(POLICIES, name, {"spec": whole})

    def delete_policy(self, name: str, *, held: bool = False) -> None:
        """Delete a policy; somebody else's finalizer may hold it."""
        found = self.objects.find(POLICIES, name)
        if found is not None:
            if held:
                found["metadata"]["finalizers"] = ["example.com/held"]
            self._note_mode(name, "", found["spec"])
            self.objects.remove(POLICIES, name)

    def policy(self, name: str) -> Document:
        """Return a policy as it is stored; an empty one when there is none."""
        return self.objects.find(POLICIES, name) or {}

    def status(self, name: str) -> Document:
        """Return a policy's status."""
        return self.policy(name).get("status") or {}

    def edit(self, name: str, **spec: Any) -> None:
        """Change parts of a spec; None removes one. What the schema refuses changes nothing."""
        found = self.objects.find(POLICIES, name)
        if found is None:
            return
        new = {field: one for field, one in {**found["spec"], **spec}.items() if one is not None}
        try:
            policy_of(new)
        except FieldError:
            return
        if new != found["spec"]:
            going = "deletionTimestamp" in found["metadata"]
            self._note_mode(name, "" if going else new["mode"], new)
            found["spec"] = new
            self.objects.touch(found, spec=True)

    def request(self, name: str, what: str) -> str:
        """Ask a policy for something by hand, by a new word; return the word."""
        self._asked += 1
        word = f"word-{self._asked}"
        self.journal.note("request", policy=name, what=what)
        self.edit(name, **{f"{what}Request": word})
        return word

    def force(self, name: str, to: str, seconds: float) -> None:
        """Force the traffic of a policy for some time."""
        until = text_of(self.clock.api + seconds)
        self.journal.note("force", policy=name)
        self.later(seconds, lambda: self.journal.note("force", policy=name))
        self.edit(name, forceTraffic={"to": to, "until": until, "reason": "a trial"})

    # What may befall it

    def signal(self, promql: str, value: float | None, *, marked: bool = True) -> None:
        """Let a signal have a value from now on; None ends its series."""
        self.monitoring.set(promql, value, marked=marked)

    def train(self, target: Target, outcome: Outcome) -> None:
        """Let the Jobs of a target that start from now on go so."""
        self.jobs.outcomes[target.model] = outcome

    def observe(self, target: Target, outcome: Outcome) -> None:
        """Let the Jobs of a target that observe, and start from now on, go so."""
        self.jobs.observed[target.model] = outcome

    def jump(self, *, api: float = 0.0, prometheus: float = 0.0) -> None:
        """Set the servers' clocks."""
        self.clock.api_ahead += api
        if prometheus:
            self.monitoring.jump(prometheus)
        if api:
            self.journal.note("jump", seconds=api)

    def write_status(self, name: str, changes: Mapping[str, Any] | None) -> None:
        """Change a status by hand; None loses it."""
        self.objects.write_status(name, changes)
        if changes is None and (found := self.policy(name)):
            self.namespace.decided.pop(found["metadata"]["uid"], None)
        self.journal.note("memory", policy=name, run="run" in (changes or {}))

    def delete_jobs(self, name: str) -> None:
        """Delete the Jobs of a policy by hand."""
        self.journal.note("jobs deleted", policy=name)
        for job in self.objects.all(JOBS):
            if job["metadata"]["ownerReferences"][0]["name"] == name:
                self.objects.remove(JOBS, job["metadata"]["name"])

    def add_service(self, target: Target) -> None:
        """Store the active Service of a target, at its champion."""
        metadata = {
            "labels": {f"{GROUP}/active-service": "true"},
            "annotations": {
                f"{GROUP}/champion-deployment": target.champion,
                f"{GROUP}/fallback-deployment": target.fallback,
            },
        }
        document = {"metadata": metadata, "spec": {"selector": {"app": target.champion}}}
        self.objects.add(SERVICES, target.service, document)
        self.journal.note("service", service=target.service)
        self.workloads.follow()

    def heal(self) -> None:
        """End all faults, and give back what was taken away."""
        self.network.heal()
        self.namespace.changes.heal()
        self.namespace.quota = False
        self.workloads.endpoint_delay = 1.0
        self.jobs.outcomes.clear()
        self.jobs.observed.clear()
        for policy in self.objects.all(POLICIES):
            self.objects.release(POLICIES, policy["metadata"]["name"])
        for target in self.targets:
            for query in (target.drift, target.error):
                self.signal(query, HEALTHY)
            for name in (target.champion, target.fallback):
                if self.workloads.document(name) is None:
                    self.workloads.add(name)
                self.workloads.break_pods(name, broken=False)
                self.workloads.pause(name, paused=False)
            if self.objects.find(SERVICES, target.service) is None:
                self.add_service(target)
            if self.objects.find("cronjobs", target.cron_job) is None:
                self.jobs.add_template(target.cron_job, target.model)

    # How it is

    def selected(self, target: Target) -> str:
        """Return the Deployment that a target's Service selects, empty without a Service."""
        found = self.objects.find(SERVICES, target.service)
        return str(found["spec"]["selector"]["app"]) if found else ""

    def actions(self, *, of: Sequence[str] = ("job", "move", "alias", "roll")) -> list[str]:
        """Return what the operator did, in words."""
        return [
            f"{one.kind} {one.facts.get('to') or one.facts.get('name') or one.facts['deployment']}"
            for one in self.journal.of(*of)
        ]

    def _note_mode(self, name: str, mode: str, spec: Document) -> None:
        service = spec["target"]["activeServiceName"]
        self.journal.note("mode", policy=name, mode=mode, service=service)

    def _furnish(self, target: Target) -> None:
        version = f"{target.policy}-first"
        self.models.add(version, target.model, ModelState.ACCEPTED)
        self.models.point(target.model, Alias.CHAMPION, version)
        self.workloads.add(target.champion, ready=True)
        self.workloads.add(target.fallback, ready=True)
        self.add_service(target)
        self.jobs.add_template(target.cron_job, target.model)
        for query in (target.drift, target.error):
            self.signal(query, HEALTHY)

    def _loaded(self, deployment: str) -> str | None:
        """Return the version that a pod of a Deployment loads when it starts now."""
        for target in self.targets:
            if deployment == target.champion:
                version = self.models.champion(target.model)
                return None if version in self.models.not_loadable else version
        return "fallback"

    def _sample_ages(
        self, caller: str, policy: Document, because: Sequence[str]
    ) -> dict[str, float]:
        queries = {one["name"]: one["promql"] for one in policy["spec"].get("signals") or []}
        return {
            name: self.monitoring.asked.get((caller, queries.get(name, "")), float("inf"))
            for name in because
        }
