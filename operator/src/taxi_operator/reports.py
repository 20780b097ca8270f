"""The report of a decision's window: a link in the status, and the Job that makes the report.

The link is written with the decision. The Job is made once the decision was carried out: that it
cannot be made changes nothing about the decision, and is tried again for a while.
"""

import asyncio
import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.kube import POLICY_LABEL, REPORT_LABEL
from taxi_domain.reports import report_id
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core.decisions import Action
from taxi_operator.core.jobs import Manifest, PolicyKey, is_owned_by, named_after, owner_reference
from taxi_operator.memory.status import Status
from taxi_operator.reconcile_context import ReconcileContext
from taxi_operator.reporting import Reporter
from taxi_operator.settings import MAX_REPORT_SPAN, Failpoint
from taxi_operator.spec.policy import Policy
from taxi_operator.texts import cut
from taxi_operator.times import seconds_since_epoch, text_of

#: Decisions that a report explains; the way back to the champion is none.
_REPORTED: Final = {Action.RETRAIN, Action.FALLBACK}
_CONTAINER: Final = "report"
#: The argument of the template that the Job keeps.
_OUTPUT: Final = "--output="
_VARIABLE: Final = "TAXI_OPERATOR_REPORT_CRONJOB"
#: How long a decision waits to know whether there are reports, seconds.
_LOOK_SECONDS: Final = 2.0
#: How long after its decision a Job that cannot be made is tried again, seconds.
PATIENCE_SECONDS: Final = 3600.0
_MAX_MESSAGE: Final = 300
_RANGE: Final = re.compile(r"\[((?:\d+(?:ms|[smhdwy]))+)\s*[:\]]")
_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS: Final = {
    "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportSource:
    """Where the reports of decisions come from.

    Attributes:
        cron_job: CronJob with the template of their Jobs; empty: none are made.
        url: Base address of the monitor, which serves them.
        span_seconds: Shortest span of one.
    """

    cron_job: str = ""
    url: str = ""
    span_seconds: int = 86_400


def span_seconds(policy: Policy, because: Sequence[str], shortest: int) -> int:
    """Return the length of the span that explains a decision, whole seconds.

    Args:
        policy: The policy that decided.
        because: Names of the signals behind the decision; one that is built in looks at no past.
        shortest: What the span is at least.
    """
    looks = [
        one.enter.for_seconds + range_seconds(one.promql)
        for one in policy.signals
        if one.name in because
    ]
    return math.ceil(min(max([shortest, *looks]), MAX_REPORT_SPAN))


def range_seconds(promql: str) -> float:
    """Return the longest range of a PromQL query, 0 when it looks at the present alone.

    >>> range_seconds("max_over_time(rate(x[5m])[1h30m:1m]) > 0"), range_seconds("x")
    (5400.0, 0.0)
    """
    ranges = (
        sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(found))
        for found in _RANGE.findall(promql)
    )
    return max(ranges, default=0.0)


def report_job_name(policy: PolicyKey, number: int) -> str:
    """Return the name of the Job that makes a decision's report.

    >>> report_job_name(PolicyKey("p", "0a1b2c3d-0000-0000-0000-000000000000"), 7)
    'p-0a1b2c3d-report-0007'
    """
    return named_after(policy, f"{policy.uid[:8]}-report-{number:04d}")


def report_arguments(model: str, start: str, end: str) -> list[str]:
    """Return the command line of a report over a span (RFC 3339, which names its zone)."""
    return ["run", "--model", model, "--from", start, "--to", end]


def report_job(
    cron_job: Mapping[str, Any], policy: PolicyKey, number: int, arguments: Sequence[str]
) -> Manifest:
    """Return the Job of a decision's report, made from a CronJob: only the arguments differ.

    Of the template's arguments it keeps what is made, page or document. It has none of the labels
    that retrain Jobs are found and counted by.

    Raises:
        FieldError: the template has no container `report`.
    """
    template = cron_job["spec"]["jobTemplate"]
    spec: Manifest = copy.deepcopy(dict(template["spec"]))
    container = _container_of(spec)
    if container is None:
        name = cron_job["metadata"]["name"]
        raise FieldError(
            _VARIABLE, f"CronJob {name} has no container {_CONTAINER}", "name the chart's"
        )
    outputs = [one for one in container.get("args") or [] if one.startswith(_OUTPUT)]
    container["args"] = [*arguments, *outputs]
    inherited = (template.get("metadata") or {}).get("labels") or {}
    labels = {POLICY_LABEL: policy.label, REPORT_LABEL: str(number)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": report_job_name(policy, number),
            "labels": {**inherited, **labels},
            "ownerReferences": [owner_reference(policy)],
        },
        "spec": spec,
    }


def _container_of(spec: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the container of a Job's spec that makes the report."""
    containers: list[dict[str, Any]] = spec["template"]["spec"]["containers"]
    return next((one for one in containers if one["name"] == _CONTAINER), None)


class Reports:
    """Links decisions to reports, and starts the Jobs that make them."""

    def __init__(
        self,
        cluster: Cluster,
        reporter: Reporter,
        source: ReportSource,
        failpoint: Callable[[Failpoint], None],
    ) -> None:
        self._cluster = cluster
        self._reporter = reporter
        self._source = source
        self._failpoint = failpoint

    async def planned(self, policy: Policy, status: Status) -> Status:
        """Return a status whose newest decision, which was just made, names its report."""
        decision = status.decision
        if not self._source.cron_job or decision is None or decision["action"] not in _REPORTED:
            return status
        if await self._is_missing():
            message = f"there is no CronJob {self._source.cron_job}"
            return status.with_report(url=None, start=None, message=message)
        # The time as the status has it, in whole seconds: it is all that a restart knows.
        end = seconds_since_epoch(decision["at"])
        assert end is not None
        start = end - span_seconds(policy, decision["because"], self._source.span_seconds)
        identity = report_id(
            policy.model, datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        )
        url = f"{self._source.url.rstrip('/')}/reports/{identity}"
        return status.with_report(url=url, start=text_of(start))

    async def carry_on(self, context: ReconcileContext) -> None:
        """Make the Job of the newest decision's report, unless there is one.

        Raises:
            TaxiError: the status cannot be written; everything else is told and tried again.
        """
        status = context.status
        if not status.report_is_open:
            return
        decision = status.decision
        assert decision is not None
        number, url = decision["number"], decision["reportURL"]
        arguments = report_arguments(context.policy.model, decision["reportFrom"], decision["at"])
        try:
            is_new = await self._create(context.key, number, arguments)
        except TaxiError as error:
            await self._give_up_or_wait(context, decision, error)
            return
        self._failpoint(Failpoint.AFTER_REPORT)
        name = report_job_name(context.key, number)
        made = status.with_report(url=url, start=decision["reportFrom"], job=name)
        await self._reporter.save(context, made)
        if is_new:
            await self._reporter.emit_event(
                context.found, "ReportStarted", f"decision {number}: Job {name} makes {url}"
            )

    async def _is_missing(self) -> bool:
        """Tell whether there are no reports; a decision does not wait long to know it."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                return await self._cluster.cron_job(self._source.cron_job) is None
        except (TaxiError, TimeoutError):
            return False  # making the Job will tell

    async def _create(self, key: PolicyKey, number: int, arguments: list[str]) -> bool:
        """Make the Job; return False when it is there already."""
        name = self._source.cron_job
        cron_job = await self._cluster.cron_job(name) if name else None
        if cron_job is None:
            raise FieldError(_VARIABLE, f"there is no CronJob {name}", "name the chart's")
        manifest = report_job(cron_job, key, number, arguments)
        if await self._cluster.create_job(manifest):
            return True
        found = await self._cluster.job(manifest["metadata"]["name"])
        if found is not None and not _is_of(found, key, arguments):
            raise TaxiError(
                f"Job {manifest['metadata']['name']}: exists and is not of this decision; remove it"
            )
        return False

    async def _give_up_or_wait(
        self, context: ReconcileContext, decision: Mapping[str, Any], error: TaxiError
    ) -> None:
        """Tell that there is no Job: at the first time, and when it is not tried again."""
        problem = self._reporter.problem_of(error)
        message = cut(problem.message, _MAX_MESSAGE)
        age = self._reporter.clock() - (seconds_since_epoch(decision["at"]) or 0.0)
        # Time does not mend what the installation lacks.
        is_final = isinstance(error, FieldError) or age > PATIENCE_SECONDS
        if not is_final and "reportMessage" in decision:
            return
        url, start = decision["reportURL"], decision["reportFrom"]
        if is_final:
            url = start = None
        status = context.status.with_report(url=url, start=start, message=message)
        await self._reporter.save(context, status)
        outlook = "there is no report" if is_final else "the report is tried again"
        await self._reporter.emit_event(
            context.found, "ReportFailed", f"decision {decision['number']}: {outlook}: {message}",
            warning=True,
        )  # fmt: skip


def _is_of(job: Mapping[str, Any], key: PolicyKey, arguments: list[str]) -> bool:
    """Tell whether a Job makes the report of a policy's decision: a lost status counts anew."""
    container = _container_of(job["spec"]) or {}
    # What the template had beside them may have changed since.
    begun = (container.get("args") or [])[: len(arguments)]
    return is_owned_by(job, key) and begun == arguments
