"""Stories: one release in a namespace of its own, real rows, a policy, and what came of it.

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

from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

from taxi_stories.example import TAXI
from taxi_stories.hands import Hands
from taxi_stories.kubectl import Kubectl
from taxi_stories.neighbour import Neighbourhood
from taxi_stories.play import Play, StoryError
from taxi_stories.release import Release
from taxi_stories.reports import make_report, said
from taxi_stories.scenario import Claim, Scenario, Snapshot
from taxi_stories.voice import Voice

ROOT = Path(__file__).parents[4]
SAMPLES = TAXI.folder / "samples"
EXAMPLES = ROOT / "k8s" / "examples"
#: Where the newest report of a story is kept.
BUILT = ROOT / ".build"
#: The cluster's Prometheus, as a pod finds it.
_PROMETHEUS = "http://prometheus-operated.monitoring:9090"


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

    def _tell(self, release: Release, scenario: Scenario, neighbours: Neighbourhood | None) -> None:
        begin = time.monotonic()
        self.voice.print(Rule(f"[bold]Story: {scenario.name}"))
        self.voice.print(" ".join(scenario.opening.split()) + "\n")
        self._hands(release, scenario).apply(EXAMPLES / f"{scenario.name}.yaml")
        first_row = datetime.now(UTC)
        snapshots = Play(scenario, release, self.voice, self.cut_off).play()
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

    def _reported(self, release: Release, scenario: Scenario, first_row: datetime) -> list[Claim]:
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
