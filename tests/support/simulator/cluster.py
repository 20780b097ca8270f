"""The operator's adapter of the API server, without one: the same methods, the same errors."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

from support.simulator.clock import BEGIN, Clock
from support.simulator.faults import Answer, Caller, Server
from support.simulator.journal import Journal
from support.simulator.objects import (
    CRON_JOBS,
    DEPLOYMENTS,
    JOBS,
    POLICIES,
    PROMOTION,
    SERVICES,
    Document,
    Objects,
    copied,
)
from support.simulator.watches import Changes
from support.simulator.workloads import Workloads
from taxi_domain.kube import (
    ATTEMPT_LABEL,
    DECISION_LABEL,
    INSTANCE_LABEL,
    OBSERVATION_LABEL,
    POLICY_UID_LABEL,
)
from taxi_operator.adapters import kinds
from taxi_operator.adapters.cluster import ApiError, PolicyChangedError
from taxi_operator.adapters.kinds import Kind, matches
from taxi_operator.adapters.watch import Page

JOB_NAME: Final = "batch.kubernetes.io/job-name"
_CLOCK_STEP: Final = 2.0
#: Names of the stored kinds by those of the operator's.
_NAMES: Final = {
    "driftpolicies": POLICIES, "services": SERVICES, "deployments": DEPLOYMENTS, "jobs": JOBS,
    "cronjobs": CRON_JOBS,
}  # fmt: skip


class Namespace:
    """What all processes of the operator share: objects, controllers, and the journal."""

    def __init__(self, clock: Clock, journal: Journal, workloads: Workloads, objects: Objects):
        self.clock, self.journal = clock, journal
        self.workloads, self.objects = workloads, objects
        self.changes = Changes(clock)
        self.changes.shown = self.shown
        objects.on_change = self.changes.note
        self.quota = False
        #: Number and action of the newest decision, by the policy's uid.
        self.decided: dict[str, tuple[object, object]] = {}
        self.job_pods: dict[str, list[Document]] = {}
        self.on_job: Callable[[Document], None] = lambda _job: None
        self.on_end: Callable[[Document], None] = lambda _job: None
        #: Asked when a decision is written: how old the newest samples behind it are.
        self.sample_ages: Callable[[str, Document, Sequence[str]], dict[str, float]] = (
            lambda _caller, _policy, _because: {}
        )

    def shown(self, kind: str, document: Document) -> Document:
        """Return an object as it is read; a Deployment has its status."""
        if kind != DEPLOYMENTS:
            return document
        return self.workloads.document(document["metadata"]["name"]) or document

    def create_job(self, manifest: Document) -> bool:
        """Store a Job and let it run."""
        name = manifest["metadata"]["name"]
        if self.objects.find(JOBS, name) is not None:
            return False
        if self.quota:
            raise ApiError("POST", "/jobs", 403, "Forbidden", f"jobs {name}: exceeded quota")
        job = self.objects.add(JOBS, name, manifest)
        labels = manifest["metadata"].get("labels") or {}
        owner = manifest["metadata"]["ownerReferences"][0]["name"]
        if OBSERVATION_LABEL in labels:
            number = int(labels[OBSERVATION_LABEL])
            self.journal.note("look", name=name, policy=owner, number=number)
        if POLICY_UID_LABEL in labels:
            uid, number = labels[POLICY_UID_LABEL], int(labels[DECISION_LABEL])
            beside = [one for one in self.unfinished(uid) if one != name]
            self.journal.note(
                "job", name=name, uid=uid, number=number, attempt=int(labels[ATTEMPT_LABEL]),
                policy=owner, beside=beside, promotions=self.promotions(uid),
                state=self._run_state(owner),
            )  # fmt: skip
        self.on_job(job)
        return True

    def end_job(self, name: str) -> None:
        """Let a Job end by its deadline, if there is one that has not ended."""
        job = self.objects.find(JOBS, name)
        if job is not None and not job.get("status"):
            self.journal.note("job ended by hand", name=name)
            self.on_end(job)

    def unfinished(self, uid: str) -> list[str]:
        """Return the names of a policy's retrain Jobs that have not ended."""
        return [
            job["metadata"]["name"]
            for job in self.objects.all(JOBS)
            if (job["metadata"].get("labels") or {}).get(POLICY_UID_LABEL) == uid
            and not (job.get("status") or {}).get("conditions")
        ]

    def _run_state(self, policy: str) -> str:
        found = self.objects.find(POLICIES, policy) or {}
        return str(((found.get("status") or {}).get("run") or {}).get("state", ""))

    def promotions(self, uid: str = "") -> list[str]:
        """Return what the Services remember of open promotions, of all policies or of one."""
        noted = [
            (one["metadata"].get("annotations") or {}).get(PROMOTION, "")
            for one in self.objects.all(SERVICES)
        ]
        return [one for one in noted if one and uid in one]

    def intended(self, service: str) -> list[str]:
        """Return what the policies of a Service have written down of its traffic."""
        return [
            ((one.get("status") or {}).get("traffic") or {}).get("active", "")
            for one in self.objects.all(POLICIES)
            if one["spec"]["target"]["activeServiceName"] == service
        ]

    def select(self, service: str, labels: Mapping[str, str]) -> None:
        """Set a selector."""
        found = self._service(service)
        before = ((found.get("spec") or {}).get("selector") or {}).get("app", "")
        to = labels.get("app", "")
        if before == to:
            return
        self.journal.note(
            "move", service=service, before=before, to=to, intended=self.intended(service),
            unready_for=self.workloads.unready_for(to),
            before_ready=self.workloads.ready(before),
            before_unready_for=self.workloads.unready_for(before),
        )  # fmt: skip
        found["spec"]["selector"] = dict(labels)
        self.objects.touch(found)
        self.workloads.follow()

    def annotate_service(self, service: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations, or remove them."""
        found = self._service(service)
        merged = {**(found["metadata"].get("annotations") or {}), **annotations}
        kept = {name: value for name, value in merged.items() if value is not None}
        if kept != found["metadata"].get("annotations"):
            found["metadata"]["annotations"] = kept
            self.objects.touch(found)
            self.journal.note("annotation", service=service, names=sorted(annotations))

    def roll(self, deployment: str, annotations: Mapping[str, str]) -> None:
        """Set annotations of a pod template."""
        before = self.workloads.template(deployment)
        try:
            self.workloads.annotate(deployment, annotations)
        except KeyError:
            raise ApiError("PATCH", "/deployments", 422, "Invalid", "no selector") from None
        if self.workloads.template(deployment) != before:
            self.journal.note("roll", deployment=deployment, promotions=self.promotions())

    def apply_status(self, caller: str, policy: Document, status: Document) -> Document:
        """Write a status, and note the decision that is new in it."""
        found = self.objects.apply_status(policy, status)
        uid, decision = found["metadata"]["uid"], status.get("decision") or {"action": "DryRun"}
        # Not its time: one that lies ahead of a clock that was set back is written anew.
        newest = decision.get("number"), decision["action"]
        is_dry = decision["action"].startswith("DryRun")
        if not is_dry and newest != self.decided.get(uid):
            self.decided[uid] = newest
            because = decision.get("because") or []
            self.journal.note(
                "decision", policy=found["metadata"]["name"], uid=uid,
                action=decision["action"], because=because, number=decision["number"],
                mode=found["spec"].get("mode", "Enforce"),
                ages=self.sample_ages(caller, found, because),
            )  # fmt: skip
        for one in status.get("conditions") or []:
            if "a defect of the operator" in one["message"]:
                self.journal.note("defect", policy=found["metadata"]["name"], text=one["message"])
        return found

    def _service(self, name: str) -> Document:
        found = self.objects.find(SERVICES, name)
        if found is None:  # an apply would make a Service without ports
            raise ApiError("PATCH", "/services", 404, "NotFound", f"services {name} not found")
        return found


class SimulatedCluster:
    """The calls of one process; it stands in for `taxi_operator.adapters.cluster.Cluster`."""

    def __init__(self, namespace: Namespace, caller: Caller) -> None:
        self._namespace = namespace
        self._objects = namespace.objects
        self._workloads = namespace.workloads
        self._caller = caller
        self._offset = BEGIN
        self._tell: Callable[[Kind, Mapping[str, Any]], None] = lambda _kind, _object: None

    def clock(self) -> float:
        return self._namespace.clock.seconds + self._offset

    def login_refused_seconds(self) -> float:
        return 0.0

    async def close(self) -> None:
        """Nothing is open."""

    def tells(self, tell: Callable[[Kind, Mapping[str, Any]], None]) -> None:
        self._tell = tell

    async def page(self, kind: Kind, after: str) -> Page:
        del after
        return await self._call(
            lambda: Page(
                [
                    kind.kept(copied(self._namespace.shown(_NAMES[kind.name], one)))
                    for one in self._labelled(_NAMES[kind.name], kind.labels)
                ],
                self._objects.version, "",
            )
        )  # fmt: skip

    async def changes(
        self, kind: Kind, version: int, seconds: int
    ) -> AsyncGenerator[tuple[str, Mapping[str, Any]], None]:
        watch = self._namespace.changes.follow(
            self._caller, _NAMES[kind.name], version, seconds
        )  # fmt: skip
        async with aclosing(watch):
            async for event, document in watch:
                labels = (document.get("metadata") or {}).get("labels")
                if event in {"", "ERROR"} or matches(labels, kind.labels):
                    yield event, document

    async def policy(self, name: str) -> Document | None:
        return await self._find(kinds.POLICIES, name)

    async def policies(self) -> list[Document]:
        return await self._read(lambda: self._objects.all(POLICIES))

    async def apply_status(self, policy: Document, status: Document) -> None:
        await self._change_status(
            policy, lambda: self._namespace.apply_status(self._caller.name, policy, status)
        )

    async def remove_status(self, policy: Document, parts: Mapping[str, Any]) -> None:
        await self._change_status(policy, lambda: self._objects.remove_status(policy, parts))

    async def change_policy(self, policy: Document, spec: Mapping[str, Any]) -> Document:
        name = policy["metadata"]["name"]
        return await self._change(
            lambda: copied(self._objects.change_spec(policy, spec)), kinds.POLICIES, name
        )

    async def _change_status(self, policy: Document, act: Callable[[], Document]) -> None:
        try:
            name = policy["metadata"]["name"]
            found = await self._change(act, kinds.POLICIES, name)
        except ApiError as error:
            if error.status in {404, 409}:
                raise PolicyChangedError(str(error)) from error
            raise
        # Not before: who never hears of its writing knows the version before it.
        policy["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]

    async def cron_job(self, name: str) -> Document | None:
        return await self._find(kinds.CRON_JOBS, name)

    async def create_job(self, manifest: Document) -> bool:
        name = manifest["metadata"]["name"]
        return await self._change(lambda: self._namespace.create_job(manifest), kinds.JOBS, name)

    async def end_job(self, name: str) -> None:
        await self._change(lambda: self._namespace.end_job(name), kinds.JOBS, name)

    async def job(self, name: str) -> Document | None:
        return await self._find(kinds.JOBS, name)

    async def jobs(self, policy_uid: str) -> list[Document]:
        return await self._read(lambda: self._labelled(JOBS, f"{POLICY_UID_LABEL}={policy_uid}"))

    async def retrain_jobs(self, instance: str) -> list[Document]:
        labels = f"{POLICY_UID_LABEL},{ATTEMPT_LABEL}"
        labels += f",{INSTANCE_LABEL}={instance}" if instance else ""
        return await self._read(lambda: self._labelled(JOBS, labels))

    async def pods(self, selector: Mapping[str, str]) -> list[Document]:
        if JOB_NAME in selector:
            name = selector[JOB_NAME]
            return await self._read(lambda: self._namespace.job_pods.get(name, []))
        return await self._read(lambda: self._workloads.pods(selector))

    async def deployment(self, name: str) -> Document | None:
        return await self._find(kinds.DEPLOYMENTS, name)

    async def annotate_pods(self, deployment: str, annotations: Mapping[str, str]) -> None:
        await self._change(
            lambda: self._namespace.roll(deployment, annotations), kinds.DEPLOYMENTS, deployment
        )

    async def services(self, selector: str) -> list[Document]:
        return await self._read(lambda: self._labelled(SERVICES, selector))

    async def service(self, name: str) -> Document | None:
        return await self._find(kinds.SERVICES, name)

    async def select_pods(self, service: str, labels: Mapping[str, str]) -> None:
        await self._change(lambda: self._namespace.select(service, labels), kinds.SERVICES, service)

    async def annotate_service(self, service: str, annotations: Mapping[str, str | None]) -> None:
        await self._change(
            lambda: self._namespace.annotate_service(service, annotations), kinds.SERVICES, service
        )

    async def endpoint_pods(self, service: str) -> set[str]:
        return await self._call(lambda: set(self._workloads.endpoints.get(service, ())))

    async def event(
        self, found: Mapping[str, Any], reason: str, message: str, *, warning: bool,
        kind: str = "DriftPolicy",
    ) -> None:  # fmt: skip
        journal, name = self._namespace.journal, found["metadata"]["name"]
        await self._call(
            lambda: journal.note(
                "event", of=name, reason=reason, message=message, warning=warning, about=kind
            )
        )

    def _labelled(self, kind: str, selector: str) -> list[Document]:
        found = self._objects.all(kind)
        return [one for one in found if matches(one["metadata"].get("labels"), selector)]

    def _shown(self, kind: Kind, name: str) -> Document | None:
        found = self._objects.find(_NAMES[kind.name], name)
        return None if found is None else copied(self._namespace.shown(_NAMES[kind.name], found))

    async def _find(self, kind: Kind, name: str) -> Document | None:
        found = await self._call(lambda: self._shown(kind, name))
        if found is not None:
            self._tell(kind, found)
        return found

    async def _read(self, act: Callable[[], Answer]) -> Answer:
        return await self._call(lambda: copied(act()))

    async def _change(self, act: Callable[[], Answer], kind: Kind, name: str) -> Answer:
        """Change an object; the answer has it as it is then."""
        answer, found = await self._call(lambda: (act(), self._shown(kind, name)), changes=True)
        if found is not None:
            self._tell(kind, found)
        return answer

    async def _call(self, act: Callable[[], Answer], *, changes: bool = False) -> Answer:
        answer = await self._caller.call(Server.CLUSTER, act, changes=changes)
        ahead = self._namespace.clock.api_ahead + BEGIN
        if abs(ahead - self._offset) > _CLOCK_STEP:
            self._offset = ahead
        return answer
