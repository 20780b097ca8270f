"""A server that does not answer is left alone for a while, and asked again by one at a time."""

import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_domain.errors import NotAvailableError
from taxi_operator.core.breaker import FIRST_PAUSE, MAX_FAILURES, MAX_PAUSE, Breaker


def answer(there_is: bool) -> None:
    if not there_is:
        raise NotAvailableError("no answer in time")


class World:
    """A breaker and its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.breaker = Breaker(lambda: self.now, lambda: 1_800_000_000.0, random.Random(1))

    def ask(self, *, answers: bool = False) -> str:
        """Return what a caller is told, empty when the server answered."""
        try:
            with self.breaker.attempt():
                self.asked += 1
                answer(answers)
        except NotAvailableError as error:
            return str(error)
        return ""


@pytest.fixture
def world() -> World:
    """Return a breaker whose server was never asked."""
    return World()


def opened(world: World) -> str:
    return [world.ask() for _ in range(MAX_FAILURES)][-1]


def test_after_some_failures_in_a_row_nobody_asks_and_all_hear_until_when(world: World) -> None:
    told = opened(world)

    assert {world.ask(answers=True) for _ in range(9)} == {told}
    assert world.asked == MAX_FAILURES
    assert told.startswith("no answer in time; 3 times in a row, so it is not asked until 2027-")


def test_failures_that_are_not_in_a_row_open_nothing(world: World) -> None:
    for number in range(30):
        world.ask(answers=number % MAX_FAILURES == 0)

    assert world.asked == 30


def test_answer_of_another_kind_is_an_answer(world: World) -> None:
    for _ in range(9):
        with suppress(ValueError), world.breaker.attempt():
            world.asked += 1
            raise ValueError("the query is wrong")

    assert world.asked == 9


def test_one_caller_tries_and_its_answer_lets_all_ask(world: World) -> None:
    opened(world)
    world.now += FIRST_PAUSE

    with world.breaker.attempt():
        assert world.ask(answers=True), "another one tries already"

    assert [world.ask(answers=True) for _ in range(3)] == ["", "", ""]


def test_caller_that_was_cancelled_lets_the_next_one_try(world: World) -> None:
    opened(world)
    world.now += FIRST_PAUSE

    with suppress(KeyboardInterrupt), world.breaker.attempt():
        raise KeyboardInterrupt

    assert world.ask(answers=True) == ""


def test_call_from_before_it_opened_makes_no_pause_longer(world: World) -> None:
    with suppress(NotAvailableError), world.breaker.attempt():
        told = opened(world)
        raise NotAvailableError("too late")

    assert world.ask() == told


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 60)), max_size=60))
def test_pauses_are_bounded_and_an_answer_ends_them(story: list[tuple[bool, float]]) -> None:
    world = World()
    for answers, passes in story:
        world.ask(answers=answers)
        world.now += passes

    world.now += MAX_PAUSE
    assert world.ask(answers=True) == ""
    assert world.ask(answers=True) == ""


def test_pauses_grow_and_differ(world: World) -> None:
    opened(world)
    pauses: list[float] = []
    for _ in range(6):
        begin = world.now
        while world.asked < MAX_FAILURES + len(pauses) + 1:
            world.now += 0.1
            world.ask()
        pauses.append(world.now - begin)

    assert pauses[0] < pauses[1] < pauses[2]
    assert max(pauses) <= MAX_PAUSE + 0.2
    assert len({round(one, 1) for one in pauses[3:]}) > 1
