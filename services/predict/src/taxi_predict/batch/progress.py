"""How far a run is: a bar on a terminal, else a line now and then."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)

_LINE_SECONDS: Final = 10.0


class RowProgress:
    """Counts rows and says so in the log.

    Args:
        total: Rows of all files, None where that is not known.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._rows = 0
        self._said_at = time.monotonic()

    def advance(self, rows: int) -> None:
        """Count rows that are done."""
        self._rows += rows
        if time.monotonic() - self._said_at >= _LINE_SECONDS:
            self._said_at = time.monotonic()
            of = "" if self._total is None else f" of {self._total}"
            logger.info("%d%s rows", self._rows, of)


class _Bar(RowProgress):
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, rows: int) -> None:
        """Count rows that are done."""
        self._bars.advance(self._task, rows)


@contextmanager
def row_progress(total: int | None) -> Iterator[RowProgress]:
    """Show how far a run is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield RowProgress(total)
        return
    columns = (
        TextColumn("{task.completed:,.0f} rows"), BarColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bars:
        yield _Bar(bars, bars.add_task("rows", total=total))
