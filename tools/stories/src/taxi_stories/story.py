"""Stories: one release in a namespace of its own, real rows, a policy, and what came of it.

The terminal tells in plain words what happens, beside what Prometheus and
`kubectl get dp` say at that moment. A story ends with the claims that it makes about the
system, each checked, and fails when one does not hold.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

from taxi_domain.errors import TaxiError
from taxi_domain.kube import PLURAL
from taxi_stories.client import Client
from taxi_stories.example import TAXI
from taxi_stories.eyes import Eyes, patiently
from taxi_stories.forwards import Forward
from taxi_stories.hands import Hands
from taxi_stories.kubectl import Kubectl
from taxi_stories.neighbour import Neighbourhood
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.reports import make_report, said
from taxi_stories.scenario import Claim, Deed, Scenario, Snapshot
from taxi_stories.sender import Sender
from taxi_stories.voice import Voice

ROOT = Path(__file__).parents[4]
SAMPLES = TAXI.folder / "samples"
EXAMPLES = ROOT / "k8s" / "examples"
#: Where the newest report of a story is kept.
BUILT = ROOT / ".build"
#: The cluster's Prometheus, as a pod finds it.
_PROMETHEUS = "http://prometheus-operated.monitoring:9090"
_LOOK_SECONDS = 5.0


class StoryError(TaxiError):
    """The system did not do what the story says; the text names the claim and the facts."""


@dataclass
class Teller:
    """Tells scenarios of one place, one after the other, in one release of a cluster.

    Attributes:
        scenarios: What is told, in this order.
        context: Of kubectl.
        values: Of the chart.
        helm: Binary.
        keep: The namespace stays.
        voice: Where it is told.
        cut_off: Ends the telling at the next look.
    """

    scenarios: Sequence[Scenario]
    context: str
    values: Mapping[str, object]
    helm: str = "helm"
    keep: bool = False
    voice: Voice = field(default_factory=Voice)
    cut_off: threading.Event = field(default_factory=threading.Event)

    def tell(self) -> None:
        """Install, send, watch, check, and remove everything again (unless `keep`).

        What an earlier run left (because it was told to, or was cut off) is removed first.

        Raises:
            StoryError: a claim did not hold.
            TaxiError: the cluster or the release did not come up.
        """
        first = self.scenarios[0]
        kubectl = Kubectl(self.context, first.place)
        release = Release(kubectl, first.release, self.helm)
        release.uninstall()
        try:
            neighbours = self._neighbourhood(kubectl)
            self._install(release, neighbours)
            for number, scenario in enumerate(self.scenarios):
                if number:
                    self._hands(release, scenario).put_aside(self.scenarios[number - 1].name)
                self._tell(release, scenario, neighbours)
        finally:
            if self.keep:
                self.voice.print(
                    f"Kept: namespace {kubectl.namespace}; `kubectl --context {self.context} "
                    f"-n {kubectl.namespace} get dp,pods`"
                )
            else:
                release.uninstall()

    def _tell(
        self, release: Release, scenario: Scenario, neighbours: Neighbourhood | None
    ) -> None:
        begin = time.monotonic()
        self.voice.print(Rule(f"[bold]Story: {scenario.name}"))
        self.voice.print(scenario.opening.strip() + "\n")
        self._hands(release, scenario).apply(EXAMPLES / f"{scenario.name}.yaml")
        first_row = datetime.now(UTC)
        snapshots = self._play(release, scenario)
        claims = scenario.claims(snapshots) + self._reported(release, scenario, first_row)
        if neighbours is not None:
            claims += neighbours.claims()
        self._judge(scenario, snapshots, claims, time.monotonic() - begin)

    def _hands(self, release: Release, scenario: Scenario) -> Hands:
        return Hands(release, scenario.name, self.voice.say)

    def _neighbourhood(self, kubectl: Kubectl) -> Neighbourhood | None:
        neighbour = self.scenarios[0].neighbour
        return None if neighbour is None else Neighbourhood(neighbour, kubectl, self.helm)

    def _install(self, release: Release, neighbours: Neighbourhood | None) -> None:
        begin = time.monotonic()
        self.voice.print(
            f"Installing the chart into namespace {release.kubectl.namespace}; the first model is "
            f"trained by its Job on {self.scenarios[0].first}.",
            highlight=False,
        )
        # Both at once, and waited for then: Prometheus takes minutes to see a change after another.
        if neighbours is not None:
            neighbours.apply(self.values)
        release.apply(self._values(release))
        if neighbours is not None:
            neighbours.settle(self.voice.say)
        release.wait(self.voice.say)
        self.voice.say(f"everything is ready after {time.monotonic() - begin:.0f} s")

    def _values(self, release: Release) -> dict[str, object]:
        first = self.scenarios[0]
        return {
            **self.values,
            # The story's policy names the active Service.
            "fullnameOverride": release.name,
            **first.example.values(first.first),
            "metrics": {"serviceMonitor": {"interval": "5s"}},
            "batchReport": {"enabled": True, "prometheus": {"url": _PROMETHEUS}},
            **first.values,
        }

    def _play(self, release: Release, scenario: Scenario) -> list[Snapshot]:
        snapshots: list[Snapshot] = []
        with ExitStack() as stack:
            monitoring, predictor, monitor = (
                stack.enter_context(forward)
                for forward in (
                    Forward(
                        release.kubectl.within("monitoring"), "service/prometheus-operated", 9090
                    ),
                    release.predictor(),
                    release.monitor(),
                )
            )
            client = None
            if scenario.client_rate:
                client = stack.enter_context(Client(release, scenario.client_rate))
            eyes = Eyes(release, scenario, Prometheus(monitoring), client)
            sender = Sender(
                scenario.bodies(), release.addresses(predictor, monitor), scenario.rate,
                reserve=scenario.reserve, schema=scenario.example.schema,
            )  # fmt: skip
            failed: list[BaseException] = []
            thread = threading.Thread(target=_run_into, args=(sender, failed), daemon=True)
            thread.start()
            deeds, begin = deque(scenario.by_hand), time.monotonic()
            try:
                while time.monotonic() - begin < scenario.seconds:
                    snapshots.append(eyes.look(time.monotonic() - begin, sender.progress))
                    self._show(scenario, snapshots[-1])
                    self._show_events(eyes)
                    if failed:
                        raise failed[0]
                    if self.cut_off.is_set():
                        raise StoryError(f"story {scenario.name}: is cut off")
                    if len({one.traffic for one in snapshots[-2:]}) > 1:
                        predictor.move()
                    if scenario.spends_reserve(snapshots):
                        sender.spend.set()
                    if deeds and deeds[0].when(snapshots):
                        self._do(release, scenario, deeds.popleft(), snapshots)
                    elif not deeds and scenario.is_over(snapshots, not thread.is_alive()):
                        break
                    self.cut_off.wait(_LOOK_SECONDS)
            finally:
                sender.stop.set()
                thread.join(60)
            policies = patiently(release.kubectl, "get", PLURAL, "-o", "wide")
            self.voice.print(policies, highlight=False, soft_wrap=True)
        return snapshots

    def _do(
        self, release: Release, scenario: Scenario, deed: Deed, snapshots: Sequence[Snapshot]
    ) -> None:
        self.voice.print(f"[bold yellow]By hand:[/] {deed.says}")
        deed.do(self._hands(release, scenario), snapshots)

    def _show(self, scenario: Scenario, snapshot: Snapshot) -> None:
        example, client = scenario.example, snapshot.client
        told = f" | client: {client.answered} answered, {client.failed} failed" if client else ""
        self.voice.print(
            f"[dim]{snapshot.at:5.0f} s[/dim]  {snapshot.sent:6d} {example.noun} sent | "
            f"Prometheus: window {_number(snapshot.window_rows, '.0f')} {example.noun}, "
            f"inputs {_number(snapshot.drift, '.2f')} and error "
            f"{_number(snapshot.error, '.2f')} of the alarm level, RMSE "
            f"{_number(snapshot.rmse, '.2f')} {example.schema.target.unit} | dp: drift "
            f"{snapshot.condition('DriftDetected')}, run {snapshot.run}, verdict "
            f"{snapshot.candidate.get('verdict', '-')}, traffic {snapshot.traffic}{told}",
            highlight=False,
            soft_wrap=True,
        )

    def _show_events(self, eyes: Eyes) -> None:
        for event in eyes.new_events():
            self.voice.print(f"         [bold cyan]{event['reason']}[/]: {escape(event['message'])}")

    def _reported(
        self, release: Release, scenario: Scenario, first_row: datetime
    ) -> list[Claim]:
        """Make the batch report of the story, save it, and return the claims about it."""
        if scenario.report_claims is None:
            return []
        begin = time.monotonic()
        self.voice.print("What happened, as the batch report of these minutes tells it:")
        end = datetime.now(UTC).replace(microsecond=0)
        report = make_report(release, first_row.replace(microsecond=0), end)
        path = report.save(BUILT)
        for sentence in said(report.document):
            self.voice.say(escape(sentence))
        self.voice.say(f"the whole report, made in {time.monotonic() - begin:.0f} s: {path}")
        return scenario.report_claims(report.document)

    def _judge(
        self,
        scenario: Scenario,
        snapshots: Sequence[Snapshot],
        claims: Sequence[Claim],
        seconds: float,
    ) -> None:
        table = Table("claim", "holds", title=f"{scenario.name}: {seconds:.0f} s")
        for sentence, held in claims:
            table.add_row(sentence, "[green]yes[/]" if held else "[red]NO[/]")
        self.voice.print(table)
        broken = [sentence for sentence, held in claims if not held]
        if broken:
            raise StoryError(
                f"story {scenario.name}: {'; '.join(broken)} - does not hold; last status: "
                f"{snapshots[-1].status if snapshots else 'none'}"
            )


def _run_into(sender: Sender, failed: list[BaseException]) -> None:
    """Run the sender in a thread; its failure ends the story, it is not lost."""
    try:
        sender.run()
    except BaseException as error:
        failed.append(error)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
