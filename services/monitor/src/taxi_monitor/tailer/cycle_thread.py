"""A thread that does the same again and again, with a pause between."""

import random
import threading
from abc import ABC, abstractmethod
from typing import Final

#: A thread that has to end may finish its step for so long, seconds.
_END_SECONDS: Final = 30.0


class CycleThread(ABC):
    """Does one cycle after the other until it is stopped.

    Args:
        name: Of the thread.
        pause_seconds: Between two cycles; a tenth more or less, so that pods do not keep step.
    """

    def __init__(self, name: str, pause_seconds: float) -> None:
        self._name = name
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def cycle(self) -> None:
        """Do it once; what is raised ends the thread."""

    def pause(self) -> float:
        """Return how long to wait for the next cycle, seconds."""
        return self._pause_seconds

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Tell whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.cycle()
            self._stop.wait(self.pause() * random.uniform(0.9, 1.1))
