"""What became of the Jobs of decisions' reports: a link that leads to nothing says why."""

from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_operator.adapters.cluster import Cluster
from taxi_operator.core.jobs import JobState, ended_at, outcome_of
from taxi_operator.reconcile_context import ReconcileContext
from taxi_operator.reporting import Reporter
from taxi_operator.texts import cut
from taxi_operator.times import seconds_since_epoch

#: How long after its decision the end of a Job is waited for, seconds.
PATIENCE_OF_JOBS_SECONDS: Final = 86_400.0
_MADE: Final = "the report was made"
_MAX_MESSAGE: Final = 300


class ReportEnds:
    """Looks at the Jobs of reports until they end, also of decisions before the newest."""

    def __init__(self, cluster: Cluster, reporter: Reporter) -> None:
        self._cluster = cluster
        self._reporter = reporter

    async def look(self, context: ReconcileContext) -> None:
        """Note how Jobs ended that go on as far as the status knows.

        Raises:
            TaxiError: the status cannot be written.
        """
        for decision in context.status.reports_under_way:
            try:
                message = await self._end_of(decision)
            except TaxiError:
                continue  # the next reconcile asks again
            if not message:
                continue
            await self._reporter.save(
                context, context.status.with_report_message(decision, message)
            )
            if message != _MADE:
                text = f"decision {decision['number']}: {message}"
                await self._reporter.emit_event(context.found, "ReportFailed", text, warning=True)

    async def _end_of(self, decision: Mapping[str, Any]) -> str:
        """Return how a decision's Job ended, empty while it goes on."""
        name = decision["reportJobName"]
        job = await self._cluster.job(name)
        pods = []
        if job is not None and ended_at(job) is not None:
            pods = await self._cluster.pods({"batch.kubernetes.io/job-name": name})
        outcome = outcome_of(job, pods)
        if outcome.state is JobState.SUCCEEDED:
            return _MADE
        if outcome.state is JobState.MISSING:
            return f"Job {name} is gone; how it ended is not known"
        if outcome.state is JobState.FAILED:
            why = ": ".join(one for one in (outcome.reason, outcome.message) if one)
            return cut(f"Job {name}: {why}", _MAX_MESSAGE)
        age = self._reporter.clock() - (seconds_since_epoch(decision.get("at")) or 0.0)
        if age > PATIENCE_OF_JOBS_SECONDS:
            return f"Job {name} has not ended within a day"
        return ""
