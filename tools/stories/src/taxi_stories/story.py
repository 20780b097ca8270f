"""A story: one release in a namespace of its own, real rows, a policy, and what came of it.

The terminal tells in plain words what happens, beside what Prometheus and
`kubectl get dp` say at that moment. A story ends with the claims that it makes about the
system, each checked, and fails when one does not hold.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import tenacity
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from taxi_domain.errors import TaxiError
from taxi_domain.kube import PLURAL
from taxi_stories.example import TAXI
from taxi_stories.forwards import Forward
from taxi_stories.kubectl import CommandError, Kubectl
from taxi_stories.neighbour import Neighbourhood
from taxi_stories.progress import Progress
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.reports import make_report, said
from taxi_stories.rows import Body
from taxi_stories.scenario import Claim, Scenario, Snapshot
from taxi_stories.sender import Sender

ROOT = Path(__file__).parents[4]
SAMPLES = TAXI.folder / "samples"
EXAMPLES = ROOT / "k8s" / "examples"
#: Where the newest report of a story is kept.
BUILT = ROOT / ".build"
#: The cluster's Prometheus, as a pod finds it.
_PROMETHEUS = "http://prometheus-operated.monitoring:9090"
_LOOK_SECONDS = 5.0
#: Reads again: a busy API server's one failed answer is not the end of a story.
_patiently = tenacity.Retrying(
    retry=tenacity.retry_if_exception_type(CommandError),
    wait=tenacity.wait_random_exponential(multiplier=0.5, max=5.0),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)


class StoryError(TaxiError):
    """The system did not do what the story says; the text names the claim and the facts."""


@dataclass
class Teller:
    """Tells one scenario on a cluster."""

    scenario: Scenario
    context: str
    values: Mapping[str, object]
    helm: str = "helm"
    keep: bool = False
    console: Console = field(default_factory=Console)

    def tell(self) -> None:
        """Install, send, watch, check, and remove everything again (unless `keep`).

        What an earlier run left (because it was told to, or was cut off) is removed first.

        Raises:
            StoryError: a claim did not hold.
            TaxiError: the cluster or the release did not come up.
        """
        begin = time.monotonic()
        kubectl = Kubectl(self.context, self.scenario.place)
        release = Release(kubectl, self.scenario.release, self.helm)
        rows = self.scenario.example.rows(self.scenario.stream)[: self.scenario.rows]
        self.console.rule(f"[bold]Story: {self.scenario.name}")
        self.console.print(self.scenario.opening.strip() + "\n")
        release.uninstall()
        try:
            neighbours = self._neighbourhood(kubectl)
            self._install(release, neighbours)
            first_row = datetime.now(UTC)
            snapshots = self._play(release, rows)
            claims = self.scenario.claims(snapshots) + self._reported(release, first_row)
            if neighbours is not None:
                claims += neighbours.claims()
            self._judge(snapshots, claims, time.monotonic() - begin)
        finally:
            if self.keep:
                self.console.print(
                    f"Kept: namespace {kubectl.namespace}; `kubectl --context {self.context} "
                    f"-n {kubectl.namespace} get dp,pods`"
                )
            else:
                release.uninstall()

    def _neighbourhood(self, kubectl: Kubectl) -> Neighbourhood | None:
        neighbour = self.scenario.neighbour
        return None if neighbour is None else Neighbourhood(neighbour, kubectl, self.helm)

    def _install(self, release: Release, neighbours: Neighbourhood | None) -> None:
        begin = time.monotonic()
        self.console.print(
            f"Installing the chart into namespace {release.kubectl.namespace}; the first model is "
            f"trained by its Job on {self.scenario.first}.",
            highlight=False,
        )
        # Both at once, and waited for then: Prometheus takes minutes to see a change after another.
        if neighbours is not None:
            neighbours.apply(self.values)
        release.apply(self._values(release))
        if neighbours is not None:
            neighbours.settle(self._say)
        release.wait(self._say)
        policy = EXAMPLES / f"{self.scenario.name}.yaml"
        release.kubectl("apply", "-f", str(policy))
        self._say(f"everything is ready after {time.monotonic() - begin:.0f} s; policy applied")

    def _values(self, release: Release) -> dict[str, object]:
        return {
            **self.values,
            # The story's policy names the active Service.
            "fullnameOverride": release.name,
            **self.scenario.example.values(self.scenario.first),
            "metrics": {"serviceMonitor": {"interval": "5s"}},
            "batchReport": {"enabled": True, "prometheus": {"url": _PROMETHEUS}},
            **self.scenario.values,
        }

    def _play(self, release: Release, rows: Sequence[Body]) -> list[Snapshot]:
        monitoring = Forward(
            release.kubectl.within("monitoring"), "service/prometheus-operated", 9090
        )
        snapshots: list[Snapshot] = []
        with monitoring, release.predictor() as predictor, release.monitor() as monitor:
            prometheus = Prometheus(monitoring)
            sender = Sender(
                rows, release.addresses(predictor, monitor), self.scenario.rate,
                reserve=self.scenario.reserve, schema=self.scenario.example.schema,
            )  # fmt: skip
            failed: list[BaseException] = []
            thread = threading.Thread(target=_run_into, args=(sender, failed), daemon=True)
            thread.start()
            seen: set[str] = set()
            begin = time.monotonic()
            try:
                while time.monotonic() - begin < self.scenario.seconds:
                    snapshot = self._look(release, prometheus, begin, sender.progress)
                    snapshots.append(snapshot)
                    self._show(snapshot)
                    self._show_events(release, seen)
                    if failed:
                        raise failed[0]
                    if self.scenario.spends_reserve(snapshots):
                        sender.spend.set()
                    if self.scenario.is_over(snapshots, not thread.is_alive()):
                        break
                    time.sleep(_LOOK_SECONDS)
            finally:
                sender.stop.set()
                thread.join(60)
            policies = _patiently(release.kubectl, "get", PLURAL, "-o", "wide")
            self.console.print(policies, highlight=False, soft_wrap=True)
        return snapshots

    def _look(
        self, release: Release, prometheus: Prometheus, begin: float, progress: Progress
    ) -> Snapshot:
        where = (
            f'{{namespace="{release.kubectl.namespace}",model="{self.scenario.example.model}",'
            'model_role="champion"}'
        )

        def value(name: str, labels: str = where) -> float | None:
            return prometheus.value(f"max({name}{labels})")

        rmse = value("taxi_monitor_error_rmse", where[:-1] + ',source="actual"}')
        return Snapshot(
            at=time.monotonic() - begin,
            sent=progress.sent,
            refused=progress.refused,
            window_rows=value("taxi_monitor_window_rows"),
            drift=value("taxi_monitor_drift_score_ratio"),
            rmse=rmse,
            error=value("taxi_monitor_error_score_ratio"),
            policy=_patiently(release.kubectl.get, PLURAL, self.scenario.name),
        )

    def _show(self, snapshot: Snapshot) -> None:
        status, example = snapshot.status, self.scenario.example
        run = (status.get("run") or {}).get("state", "-")
        verdict = snapshot.candidate.get("verdict", "-")
        self.console.print(
            f"[dim]{snapshot.at:5.0f} s[/dim]  {snapshot.sent:6d} {example.noun} sent | "
            f"Prometheus: window {_number(snapshot.window_rows, '.0f')} {example.noun}, "
            f"inputs {_number(snapshot.drift, '.2f')} and error "
            f"{_number(snapshot.error, '.2f')} of the alarm level, RMSE "
            f"{_number(snapshot.rmse, '.2f')} {example.schema.target.unit} | dp: drift "
            f"{snapshot.condition('DriftDetected')}, run {run}, verdict {verdict}, traffic "
            f"{(status.get('traffic') or {}).get('active', '-')}",
            highlight=False,
            soft_wrap=True,
        )

    def _show_events(self, release: Release, seen: set[str]) -> None:
        events = _patiently(
            release.kubectl.get, "events", "--field-selector", "involvedObject.kind=DriftPolicy"
        )["items"]
        for event in sorted(events, key=lambda one: str(one["metadata"]["creationTimestamp"])):
            if event["metadata"]["uid"] not in seen:
                seen.add(event["metadata"]["uid"])
                self.console.print(f"         [bold cyan]{event['reason']}[/]: {event['message']}")

    def _reported(self, release: Release, first_row: datetime) -> list[Claim]:
        """Make the batch report of the story, save it, and return the claims about it."""
        if self.scenario.report_claims is None:
            return []
        begin = time.monotonic()
        self.console.print("What happened, as the batch report of these minutes tells it:")
        end = datetime.now(UTC).replace(microsecond=0)
        report = make_report(release, first_row.replace(microsecond=0), end)
        path = report.save(BUILT)
        for sentence in said(report.document):
            self._say(escape(sentence))
        self._say(f"the whole report, made in {time.monotonic() - begin:.0f} s: {path}")
        return self.scenario.report_claims(report.document)

    def _judge(
        self, snapshots: Sequence[Snapshot], claims: Sequence[Claim], seconds: float
    ) -> None:
        table = Table("claim", "holds", title=f"{self.scenario.name}: {seconds:.0f} s")
        for sentence, held in claims:
            table.add_row(sentence, "[green]yes[/]" if held else "[red]NO[/]")
        self.console.print(table)
        broken = [sentence for sentence, held in claims if not held]
        if broken:
            raise StoryError(
                f"story {self.scenario.name}: {'; '.join(broken)} - does not hold; last status: "
                f"{snapshots[-1].status if snapshots else 'none'}"
            )

    def _say(self, text: str) -> None:
        self.console.print(f"  {text}", highlight=False, soft_wrap=True)


def _run_into(sender: Sender, failed: list[BaseException]) -> None:
    """Run the sender in a thread; its failure ends the story, it is not lost."""
    try:
        sender.run()
    except BaseException as error:
        failed.append(error)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
