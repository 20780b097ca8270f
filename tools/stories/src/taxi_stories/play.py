"""One story while it is told: rows are sent, looks are taken, and a person does their part."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from rich.markup import escape

from taxi_domain.errors import TaxiError
from taxi_domain.kube import PLURAL
from taxi_stories.client import Client, Load
from taxi_stories.eyes import Eyes, patiently
from taxi_stories.forwards import Forward
from taxi_stories.hands import Hands
from taxi_stories.prometheus import Prometheus
from taxi_stories.release import Release
from taxi_stories.scenario import Deed, Scenario, Snapshot
from taxi_stories.sender import Sender
from taxi_stories.voice import Voice

_LOOK_SECONDS: Final = 5.0
_LAST_LABELS_SECONDS: Final = 60.0


class StoryError(TaxiError):
    """The system did not do what the story says; the text names the claim and the facts."""


@dataclass
class Play:
    """Plays one scenario on a release that serves.

    Attributes:
        scenario: What is played.
        release: Where.
        voice: Where it is told.
        cut_off: Ends it at the next look.
        snapshots: All looks so far.
    """

    scenario: Scenario
    release: Release
    voice: Voice
    cut_off: threading.Event
    snapshots: list[Snapshot] = field(default_factory=list)

    def play(self) -> Sequence[Snapshot]:
        """Send and look until the story is over, or its time is; return all looks.

        Raises:
            StoryError: it was cut off.
            TaxiError: the cluster, predictor or monitor does not answer for long.
        """
        prometheus = Forward(
            self.release.kubectl.within("monitoring"), "service/prometheus-operated", 9090
        )
        with ExitStack() as stack:
            monitoring, predictor, monitor = map(
                stack.enter_context, (prometheus, self.release.predictor(), self.release.monitor())
            )
            bodies, key = self.scenario.bodies(), self.scenario.example.schema.id
            client = None
            if rate := self.scenario.client_rate:
                row = {name: value for name, value in bodies[0].body.items() if name != key}
                client = stack.enter_context(Client(self.release, Load(rate, row, key)))
            eyes = Eyes(self.release, self.scenario, Prometheus(monitoring), client)
            sender = Sender(
                bodies, self.release.addresses(predictor, monitor),
                self.scenario.rate,
                reserve=self.scenario.reserve, schema=self.scenario.example.schema,
            )  # fmt: skip
            self._watch(eyes, sender, predictor)
            policies = patiently(self.release.kubectl, "get", PLURAL, "-o", "wide")
            self.voice.print(policies, highlight=False, soft_wrap=True)
        return self.snapshots

    def _watch(self, eyes: Eyes, sender: Sender, predictor: Forward) -> None:
        """Look until nothing more is to be waited for."""
        deeds, begin = deque(self.scenario.by_hand), time.monotonic()
        with _Sending(sender) as sending:
            while time.monotonic() - begin < self.scenario.seconds:
                self._look(eyes, sender, time.monotonic() - begin)
                all_sent = sending.is_over()
                if self.cut_off.is_set():
                    raise StoryError(f"story {self.scenario.name}: is cut off")
                if len({one.traffic for one in self.snapshots[-2:]}) > 1:
                    predictor.move()
                if self.scenario.spends_reserve(self.snapshots):
                    sender.spend.set()
                if deeds:
                    self._do_in_time(deeds)
                elif self.scenario.is_over(self.snapshots, all_sent):
                    return
                self.cut_off.wait(_LOOK_SECONDS)

    def _do_in_time(self, deeds: deque[Deed]) -> None:
        """Do the next thing that a person does when it is time."""
        if deeds[0].when(self.snapshots):
            deed = deeds.popleft()
            self.voice.print(f"[bold yellow]By hand:[/] {deed.says}")
            deed.do(Hands(self.release, self.scenario.name, self.voice.say), self.snapshots)

    def _look(self, eyes: Eyes, sender: Sender, at: float) -> None:
        snapshot = eyes.look(at, sender.progress)
        self.snapshots.append(snapshot)
        example, client = self.scenario.example, snapshot.client
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
        for event in eyes.new_events():
            text = f"         [bold cyan]{event['reason']}[/]: {escape(str(event['message']))}"
            self.voice.print(text)


class _Sending:
    """Sends in the background; a context manager that ends it. A failure is not lost."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it; labels that are due are delivered."""
        self._sender.stop.set()
        self._thread.join(_LAST_LABELS_SECONDS)

    def is_over(self) -> bool:
        """Tell whether all was sent.

        Raises:
            BaseException: what the sender failed with.
        """
        over = not self._thread.is_alive()
        if self._failed:
            raise self._failed[0]
        return over

    def _run(self) -> None:
        try:
            self._sender.run()
        except BaseException as error:
            self._failed.append(error)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
