"""Stories that are told side by side, in releases of their own: each waits most of its time."""

import io
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from support.waiting import wait_for
from taxi_domain.kube import DECISION_LABEL
from taxi_stories.kubectl import Kubectl
from taxi_stories.release import Release
from taxi_stories.scenario import Scenario
from taxi_stories.story import Teller
from taxi_stories.voice import Voice


class ToldStory:
    """The stories of one release, in a thread of its own.

    Args:
        scenarios: What is told, one after the other; the namespace stays until `remove`.
        context: Of kubectl.
        values: Of the chart.
        beside: Runs in another thread until the story is told (the event is set then).
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        context: str,
        values: dict[str, Any],
        beside: Callable[[threading.Event], None] | None = None,
    ) -> None:
        first = scenarios[0]
        self._name = first.place
        self._release = Release(Kubectl(context, first.place), first.release)
        self._text = io.StringIO()
        voice = Voice(console=Console(width=200, file=self._text))
        self._teller = Teller(scenarios, context, values, keep=True, voice=voice)
        self._told = threading.Event()
        self._failures: list[BaseException] = []
        works = [self._tell, *([] if beside is None else [lambda: beside(self._told)])]
        self._threads = [
            threading.Thread(target=self._run, args=(work,), daemon=True) for work in works
        ]
        for thread in self._threads:
            thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the story and print it.

        Raises:
            TimeoutError: it did not end.
            BaseException: what it, or what ran beside it, failed with.
        """
        for thread in self._threads:
            thread.join(seconds)
        print(self._text.getvalue())
        if any(thread.is_alive() for thread in self._threads):
            raise TimeoutError(f"stories in {self._name}: not told within {seconds:.0f} s")
        if self._failures:
            raise self._failures[0]

    def remove(self) -> None:
        """Remove the story's namespace."""
        self._release.uninstall()

    def _tell(self) -> None:
        try:
            self._teller.tell()
        finally:
            self._told.set()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._failures.append(error)


def kill_the_operator(kubectl: Kubectl, told: threading.Event, seconds: float) -> None:
    """Kill the operator of a story's namespace while its retrain Job runs.

    Raises:
        AssertionError: no Job ran while the story was told, or it had ended by then.
    """
    wait_for("a retrain Job that runs", lambda: told.is_set() or _active(kubectl), seconds)
    assert not told.is_set(), "the story ended without a retrain Job"
    (pod,) = kubectl.get("pods", "-l", "app.kubernetes.io/component=operator")["items"]
    kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")
    assert _active(kubectl), "the Job still ran when the operator was gone"


def retrain_jobs(kubectl: Kubectl) -> list[dict[str, Any]]:
    """Return the retrain Jobs of a namespace; none when it is not there."""
    if not kubectl("get", "namespace", kubectl.namespace, "--ignore-not-found").strip():
        return []
    found: list[dict[str, Any]] = kubectl.get("jobs", "-l", DECISION_LABEL)["items"]
    return found


def _active(kubectl: Kubectl) -> bool:
    return any(job.get("status", {}).get("active") for job in retrain_jobs(kubectl))
