"""What is seen while a story is told: Prometheus, the policy, its Events, and a client."""

from dataclasses import dataclass, field
from typing import Any

import tenacity

from taxi_domain.kube import PLURAL
from taxi_stories.client import Client
from taxi_stories.kubectl import CommandError
from taxi_stories.progress import Progress
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.scenario import Scenario, Snapshot

#: Reads again: a busy API server's one failed answer is not the end of a story.
patiently = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(CommandError),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=5.0),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)


@dataclass
class Eyes:
    """Looks at one story's release."""

    release: Release
    scenario: Scenario
    prometheus: Prometheus
    client: Client | None = None
    seen: set[str] = field(default_factory=set)

    def look(self, at: float, progress: Progress) -> Snapshot:
        """Look once.

        Args:
            at: Seconds since the story's begin.
            progress: Of what is sent.

        Raises:
            TaxiError: the cluster or Prometheus does not answer for long.
        """
        where = (
            f'{{namespace="{self.release.kubectl.namespace}",model="{self.scenario.example.model}",'
            'model_role="champion"}'
        )

        def value(name: str, labels: str = where) -> float | None:
            return self.prometheus.value(f"max({name}{labels})")

        return Snapshot(
            at=at,
            sent=progress.sent,
            refused=progress.refused,
            window_rows=value("taxi_monitor_window_rows"),
            drift=value("taxi_monitor_drift_score_ratio"),
            rmse=value("taxi_monitor_error_rmse", where[:-1] + ',source="actual"}'),
            error=value("taxi_monitor_error_score_ratio"),
            policy=patiently(self.release.kubectl.get, PLURAL, self.scenario.name),
            client=patiently(self.client.counts) if self.client else None,
        )

    def new_events(self) -> list[dict[str, Any]]:
        """Return the Events of the policy that were not returned yet, oldest first."""
        selector = f"involvedObject.kind=DriftPolicy,involvedObject.name={self.scenario.name}"
        found = patiently(self.release.kubectl.get, "events", "--field-selector", selector)["items"]
        new = [one for one in found if one["metadata"]["uid"] not in self.seen]
        self.seen |= {one["metadata"]["uid"] for one in new}
        return sorted(new, key=lambda one: str(one["metadata"]["creationTimestamp"]))
