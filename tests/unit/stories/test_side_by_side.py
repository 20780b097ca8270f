"""Stories of several releases at the same time, in one terminal."""

import io
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from taxi_domain.errors import TaxiError
from taxi_stories.emergency import EMERGENCY
from taxi_stories.flights import FLIGHTS
from taxi_stories.harmless import HARMLESS
from taxi_stories.scenarios import COLLAPSE, QUIET
from taxi_stories.side_by_side import tell_side_by_side, together
from taxi_stories.story import Teller
from taxi_stories.voice import Voice


def test_stories_of_one_place_share_a_release_in_their_order() -> None:
    told = together([QUIET, COLLAPSE, HARMLESS, FLIGHTS, EMERGENCY])

    assert told == {
        "taxi-quiet": [QUIET, HARMLESS],
        "taxi-emergency": [EMERGENCY],
        "taxi-collapse": [COLLAPSE],
        "flights": [FLIGHTS],
    }


@pytest.mark.parametrize("change", [{"first": "other"}, {"values": {"a": 1}}, {"release": "b"}])
def test_stories_of_one_place_need_one_release(change: dict[str, Any]) -> None:
    with pytest.raises(TaxiError, match="quiet and harmless: need different releases"):
        together([QUIET, replace(HARMLESS, **change)])


def test_no_ride_of_one_release_is_sent_twice() -> None:
    ids = [row.body["ride_id"] for one in (QUIET, HARMLESS) for row in one.bodies()]

    assert len(ids) == len(set(ids)) == QUIET.rows + HARMLESS.rows


@dataclass
class Told(Teller):
    """A teller that only says how it ends."""

    problem: BaseException | None = None
    meets: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))

    def tell(self) -> None:
        self.meets.wait(60)
        if self.problem is not None:
            raise self.problem
        self.voice.print("the end")


def test_all_are_told_at_the_same_time_and_a_failure_is_raised_at_the_end() -> None:
    console, meets = Console(file=io.StringIO(), width=60), threading.Barrier(2)
    failing, other = (
        Told([], "", {}, voice=Voice(name, console), problem=problem, meets=meets)
        for name, problem in (("one", TaxiError("no drift")), ("two", None))
    )

    with pytest.raises(TaxiError, match="no drift"):
        tell_side_by_side([failing, other])

    assert isinstance(console.file, io.StringIO)
    assert sorted(console.file.getvalue().splitlines()) == [
        "one           | failed: TaxiError",
        "two           | the end",
    ]


def test_a_mistake_in_the_code_is_not_taken_for_success() -> None:
    with pytest.raises(ZeroDivisionError):
        tell_side_by_side([Told([], "", {}, problem=ZeroDivisionError())])


def test_a_name_stands_before_each_line_of_a_table() -> None:
    console = Console(file=io.StringIO(), width=60)
    table = Table("claim", title="quiet")
    table.add_row("all was sent")

    Voice("quiet", console).print(table)
    Voice("", console).print("alone")

    assert isinstance(console.file, io.StringIO)
    *lines, last = console.file.getvalue().splitlines()
    assert len(lines) >= 5
    assert all(line.startswith("quiet         |") and len(line) <= 60 for line in lines)
    assert last == "alone"
