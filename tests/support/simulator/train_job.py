"""Train and observe Jobs: they run, report a verdict to the registry and end, or die before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from support.simulator.cluster import Namespace
from support.simulator.faults import Network, Server
from support.simulator.objects import CRON_JOBS, JOBS, Document
from support.simulator.registry import Models
from support.simulator.workloads import Later
from taxi_domain.kube import COMPONENT_LABEL, TRAIN
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RUN_ID_VARIABLE, RunResult
from taxi_store.registry.runs import RunEntry

_EXIT_CODES: Final = {RunResult.DATA_QUALITY_FAILED: 42}
#: Names the model that a CronJob's template trains.
_MODEL_VARIABLE: Final = "TAXI_MODEL"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the next Jobs go.

    Attributes:
        result: Verdict of the report; None writes none.
        exit_code: Of the pod; None hangs until the Job's deadline.
        seconds: Time until then.
        reason: Why the container ended, as the kubelet says it.
        loadable: Whether pods can load the candidate.
        readable: Whether this release can read the report.
    """

    result: RunResult | None = RunResult.BETTER
    exit_code: int | None = 0
    seconds: float = 120.0
    reason: str = ""
    loadable: bool = True
    readable: bool = True


#: What a look finds where a story does not say.
_OBSERVED: Final = Outcome(result=RunResult.NOT_WORSE, seconds=30.0)
_FIGURES: Final[Mapping[str, float]] = {
    "gain": 0.2, "ci_low": 0.1, "ci_high": 0.3, "champion_rmse": 5.0, "before_rmse": 4.0,
    "evaluated_rows": 800.0,
}  # fmt: skip


def template(model: str) -> Document:
    """Return a CronJob with the template of a model's train Jobs."""
    container = {"name": "train", "env": [{"name": _MODEL_VARIABLE, "value": model}]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {
        "metadata": {"labels": {COMPONENT_LABEL: TRAIN}},
        "spec": {"suspend": True, "jobTemplate": {"metadata": {}, "spec": spec}},
    }


class TrainJobs:
    """The Job controller, the kubelet, and what runs in the pods."""

    def __init__(
        self, namespace: Namespace, models: Models, network: Network, later: Later
    ) -> None:
        self._namespace = namespace
        self._models = models
        self._network = network
        self._later = later
        #: By model; one that is not here is better than its champion.
        self.outcomes: dict[str, Outcome] = {}
        #: By model, of the Jobs that observe; one that is not here is not worse than before.
        self.observed: dict[str, Outcome] = {}
        self._made = 0
        namespace.on_job = self._run
        namespace.on_end = lambda job: self._end(job, "DeadlineExceeded")

    def add_template(self, name: str, model: str) -> None:
        """Store a suspended CronJob."""
        self._namespace.objects.add(CRON_JOBS, name, template(model))

    def _run(self, job: Document) -> None:
        environment, name = _environment(job), job["metadata"]["name"]
        model = environment[_MODEL_VARIABLE]
        outcome = self.outcomes.get(model, Outcome())
        if _observed(job):
            outcome = self.observed.get(model, _OBSERVED)
        if RUN_ID_VARIABLE in environment:
            self._report(job, RunResult.PENDING, Outcome(result=RunResult.PENDING))
        deadline = float(job["spec"]["activeDeadlineSeconds"])
        if outcome.exit_code is None or outcome.seconds >= deadline:
            self._later(deadline, lambda: self._end(job, "DeadlineExceeded"))
        else:
            self._later(outcome.seconds, lambda: self._finish(job, outcome))
        self._namespace.job_pods[name] = [{"metadata": {"name": f"{name}-pod"}, "status": {}}]

    def _finish(self, job: Document, outcome: Outcome) -> None:
        name = job["metadata"]["name"]
        if self._namespace.objects.find(JOBS, name) is not job or job.get("status"):
            return  # deleted or ended, and its pod with it
        code = outcome.exit_code
        if outcome.result is not None:
            if Server.REGISTRY in self._network.outages:
                code = 1
            else:
                self._report(job, outcome.result, outcome)
                code = code or _EXIT_CODES.get(outcome.result, 0)
        ended = {"exitCode": code, "reason": outcome.reason}
        status = {"containerStatuses": [{"state": {"terminated": ended}}]}
        self._namespace.job_pods[name] = [{"metadata": {"name": f"{name}-pod"}, "status": status}]
        self._end(job, "BackoffLimitExceeded" if code else "")

    def _end(self, job: Document, problem: str) -> None:
        if self._namespace.objects.find(JOBS, job["metadata"]["name"]) is not job:
            return
        if job.get("status"):
            return
        condition = {
            "type": "Failed" if problem else "Complete", "status": "True", "reason": problem,
            "lastTransitionTime": self._namespace.clock.api_text,
        }  # fmt: skip
        job["status"] = {"conditions": [condition]}
        self._namespace.objects.touch(job)

    def _report(self, job: Document, result: RunResult, outcome: Outcome) -> None:
        environment, models = _environment(job), self._models
        run_id, model = environment[RUN_ID_VARIABLE], environment[_MODEL_VARIABLE]
        if Server.REGISTRY in self._network.outages:
            return
        if observed := _observed(job):
            self._report_observation(job, result, observed, readable=outcome.readable)
            return
        candidate = None
        if result not in {RunResult.PENDING, RunResult.TOO_FEW_LABELS}:
            self._made += 1
            candidate = f"candidate-{self._made}"
            models.add(candidate, model, ModelState.CANDIDATE)
            if not outcome.loadable:
                models.not_loadable.add(candidate)
        models.begun.setdefault(run_id, (model, models.now))
        before = models.runs.get(run_id)
        champion = before.champion if before else models.aliases[model, Alias.CHAMPION].version
        models.runs[run_id] = (
            RunEntry(
                run_id, "train", result, f"the verdict is {result}", candidate, champion,
                models.now, None if result is RunResult.PENDING else models.now,
            )
            if outcome.readable
            else None
        )  # fmt: skip

    def _report_observation(
        self, job: Document, result: RunResult, champion: str, *, readable: bool
    ) -> None:
        models, now = self._models, self._models.now
        entry = RunEntry(
            _environment(job)[RUN_ID_VARIABLE], "observe", result, f"the verdict is {result}",
            None, champion, now, None if result is RunResult.PENDING else now, _FIGURES,
        )  # fmt: skip
        models.runs[entry.run_id] = entry if readable else None
        policy = job["metadata"]["ownerReferences"][0]["name"]
        self._namespace.journal.note(
            "verdict", policy=policy, result=str(result), of=champion, readable=readable
        )


def _observed(job: Document) -> str:
    """Return the version that a Job observes, empty for one that trains."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    found = container["args"]
    return str(found[found.index("--champion") + 1]) if found[0] == "observe" else ""


def _environment(job: Document) -> dict[str, Any]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"]}
