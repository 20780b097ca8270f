"""Episodes, tries and their summaries, with detectors whose answers are known."""

from dataclasses import dataclass, field

import numpy as np
from support.labelled import labelled, orders
from verdicts.arms.interface import State
from verdicts.champions import Champion
from verdicts.episodes import episode_starts, first_after
from verdicts.scenarios import Trial
from verdicts.traffic import Step, Traffic, traffic_of
from verdicts.trials import Found, look_for, summary, watched

SCHEMA = orders()
STEPS = 12


@dataclass
class Told:
    """A detector that says what it was told to say, step by step."""

    states: list[State]
    name: str = "told"
    fed: list[Step] = field(default_factory=list)

    def fit(self, champion: Champion) -> None:
        raise NotImplementedError

    def begin(self) -> "Told":
        self.fed = []
        return self

    def feed(self, step: Step) -> State:
        self.fed.append(step)
        return self.states[len(self.fed) - 1]

    def close(self) -> None:
        raise NotImplementedError


def told(alarms: str) -> Told:
    """Return a detector that alarms at each `x`."""
    return Told([State(mark == "x", ("column:weight",), "Benign") for mark in alarms])


def trial(onset: int) -> Trial:
    return Trial(traffic(), onset)


def traffic() -> Traffic:
    rows = labelled(SCHEMA, 500 * STEPS)
    return traffic_of(SCHEMA, rows, np.zeros(len(rows)))


def alarms(text: str) -> list[bool]:
    return [mark == "x" for mark in text]


def test_alarms_near_each_other_are_one_episode() -> None:
    assert episode_starts(alarms(".x..xx...x")) == [1, 9]
    assert episode_starts(alarms("x")) == [0]
    assert episode_starts(alarms("....")) == []


def test_an_alarm_that_was_on_is_not_one_of_the_shift() -> None:
    assert first_after(alarms("xxxx"), 2) is None
    assert first_after(alarms("xx.x"), 2) == 3
    assert first_after(alarms("..x"), 2) == 2
    assert first_after(alarms("x."), 0) == 0


def test_a_shift_is_found_after_the_requests_since_its_begin() -> None:
    found = look_for(told("....x......."), trial(onset=700))

    # The step of the alarm ends with request 2,500.
    assert found.requests == 1800
    assert not found.already
    assert found.blamed == ("column:weight",)


def test_a_try_ends_some_steps_after_the_alarm() -> None:
    detector = told("x" * STEPS)

    look_for(detector, trial(onset=0))

    assert len(detector.fed) == 7


def test_an_alarm_from_before_the_shift_is_told_apart() -> None:
    found = look_for(told("xxxxxxxxxxxx"), trial(onset=700))

    assert found.requests is None
    assert found.already


def test_episodes_tell_when_they_began_and_which_event_was_there() -> None:
    # Rows are five minutes apart from New Year 2021 on: 500 of them are 42 hours.
    whole = watched(told("x....x......"), trial(onset=0))

    early, late = whole.episodes
    assert whole.kinds == {"Benign": 500}
    assert whole.alarmed == round(2 / STEPS, 3)

    assert (early.requests, late.requests) == (500, 3000)
    assert early.event == "New Year's Day"
    assert late.moment.startswith("2021-01-11")
    assert late.event == ""


def test_an_alarm_that_comes_as_soon_without_the_shift_is_not_its_own() -> None:
    shifted = look_for(told("....x......."), trial(onset=700))
    sooner, later, never = (
        look_for(told(marks), trial(onset=700))
        for marks in ("....x.......", ".....x......", "............")
    )

    assert shifted.beside(sooner).requests is None
    assert shifted.beside(sooner).chance
    assert shifted.beside(later) == shifted == shifted.beside(never)


def test_a_summary_counts_kinds_and_blame() -> None:
    tries = [
        Found(500, already=False, blamed=("cell:area", "harm"), kinds=("None", "Benign")),
        Found(1500, already=False, blamed=("harm",), kinds=("Benign", "Concept")),
        Found(None, already=True, blamed=(), kinds=("", "None")),
    ]

    figures = summary(tries, ("Benign",), frozenset({"area"}))

    assert figures == {
        "tries": 3, "found": 2, "already": 1, "chance": 0, "median": 1000, "worst": None,
        "kinds": {"Benign": 1, "Concept": 1}, "right_kind": 1,
        "blamed": {"cell:area": 1, "harm": 1}, "right_column": 1,
    }  # fmt: skip
