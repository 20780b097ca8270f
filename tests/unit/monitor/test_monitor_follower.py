"""What is stored is taken once, also late, in masses, and when a look fails."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from taxi_monitor.tailer.follower import OVERLAP, Follower
from taxi_store.log.prediction_log import Stored

NOW = datetime.fromisoformat("2021-02-01T08:00:00+00:00")
CYCLE = 10
LIMIT = 100


class Log:
    """A collection, looked at every `CYCLE` seconds."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.now = NOW
        self.follower = Follower(lambda: self.now, limit)
        self.stored: list[Stored] = []
        self.taken: list[str] = []
        self.read = 0

    def store(self, *row_ids: str, behind: float = 0) -> None:
        at = self.now - timedelta(seconds=behind)
        self.stored += [Stored(at, row_id, at) for row_id in row_ids]

    def delete(self, row_id: str) -> None:
        self.stored = [one for one in self.stored if one.row_id != row_id]

    def look(self, fails_at: str = "") -> list[str]:
        """Return what one look takes, and count what it reads."""
        self.taken, self.read = [], 0
        self.now += timedelta(seconds=CYCLE)

        def take(items: list[Stored]) -> None:
            if fails_at in [one.row_id for one in items]:
                raise OSError
            self.taken += [one.row_id for one in items]

        self.follower.follow(self.pages, self.count, take)
        return self.taken

    def count(self, after: datetime, upto: datetime) -> int:
        return sum(after < one.stored_at <= upto for one in self.stored)

    def pages(self, since: datetime) -> Iterator[list[Stored]]:
        found = sorted(one for one in self.stored if one.stored_at > since)
        self.read = len(found)
        for start in range(0, len(found), 20):
            yield found[start : start + 20]


def test_late_items_are_taken_once() -> None:
    log = Log()
    log.store("a")
    assert log.look() == ["a"]
    log.store("b", behind=15)
    log.store("c", behind=OVERLAP.total_seconds() - 1)
    assert log.look() == ["c", "b"]
    assert log.look() == []


def test_an_idle_log_is_not_read_for_ever() -> None:
    log = Log()
    log.store("a")
    looks = [(log.look(), log.read) for _ in range(9)]

    assert looks == [(["a"], 1), ([], 1), *[([], 0)] * 7]


def test_what_was_taken_is_counted_and_read_again_only_when_there_is_more() -> None:
    log = Log()
    log.store("a", "b", behind=5)
    log.look()
    log.store("late", behind=11)
    assert (log.look(), log.read) == (["late"], 3), "one more than were taken: all is read again"
    log.store("c", behind=1)  # as late as any that a look cannot see yet
    assert (log.look(), log.read) == (["c"], 1)


def test_a_late_item_is_taken_though_another_one_was_deleted() -> None:
    log = Log()
    log.store("a", "b", behind=-1)
    log.look()
    log.delete("a")
    assert (log.look(), log.read) == ([], 1), "one less than were taken"
    log.store("late", behind=17)
    assert log.look() == ["late"]


@pytest.mark.parametrize("looks_before", [0, 1, 2, 3])
def test_a_late_item_is_taken_within_the_overlap_when_as_many_were_deleted(
    looks_before: int,
) -> None:
    log = Log()
    for number in range(looks_before + 1):
        log.store(f"a{number}", behind=5)
        log.look()
    log.delete(f"a{looks_before}")
    log.store("late", behind=OVERLAP.total_seconds() - 3)
    looks = int(OVERLAP.total_seconds() / CYCLE)
    assert [one for _ in range(looks) for one in log.look()] == ["late"]


def test_what_was_not_taken_is_not_counted_as_taken() -> None:
    log = Log()
    log.store("a", behind=5)
    log.follower.mark(["a", "b"])  # posted, and not read yet
    assert log.look() == []
    log.store("b", behind=11)
    log.store("c", behind=12)
    assert log.look() == ["c"]


def test_more_than_are_remembered_are_taken_once() -> None:
    log = Log()
    masses = [f"m{number:04d}" for number in range(5 * LIMIT)]
    for number, row_id in enumerate(masses):
        log.store(row_id, behind=5 - number / 1000)
    assert log.look() == masses
    assert (log.look(), log.read) == ([], 0)
    log.store("late", behind=10)
    assert log.look() == ["late"]


def test_more_than_are_remembered_of_one_time_are_taken_once() -> None:
    log = Log()
    masses = [f"m{number:04d}" for number in range(2 * LIMIT)]
    log.store(*masses)
    assert log.look() == masses
    assert (log.look(), log.read) == ([], 0)


def test_what_was_taken_in_another_way_is_passed_over_until_all_is_taken_anew() -> None:
    log = Log()
    log.store("a", "b")
    log.follower.mark(["a"])
    assert log.look() == ["b"]

    log.follower.rewind(log.now)
    log.follower.mark(["a"])  # by a thread that began before
    assert log.look() == ["a", "b"]
    assert log.look() == []


def test_marks_alone_hide_nothing_that_was_not_read() -> None:
    log = Log()
    log.store("a", behind=5)
    log.follower.mark(f"m{number}" for number in range(2 * LIMIT))
    assert log.look() == ["a"]


def test_a_look_that_fails_loses_nothing_and_a_failed_rewind_stays_one() -> None:
    log = Log(1000)
    ids = [f"m{number:02d}" for number in range(60)]
    log.store(*ids)
    with pytest.raises(OSError, match=r"^$"):
        log.look(fails_at="m30")
    assert log.taken == ids[:20]
    assert log.look() == ids[20:]

    log.follower.rewind(NOW)
    with pytest.raises(OSError, match=r"^$"):
        log.look(fails_at="m30")
    assert log.look() == ids


def test_a_look_that_fails_among_many_of_one_time_loses_none() -> None:
    log = Log(20)
    ids = [f"m{number:03d}" for number in range(100)]
    log.store("first", behind=1)
    log.store(*ids)
    with pytest.raises(OSError, match=r"^$"):
        log.look(fails_at="m070")
    assert log.taken[-1] < "m070"
    assert {*log.look()} >= {*ids[70:]}
    assert "first" not in log.taken
    assert log.look() == []


def test_an_item_of_the_future_hides_none_of_today() -> None:
    log = Log(2)
    log.store("future", behind=-3600)
    assert log.look() == ["future"]
    log.store("a", "b", "c")
    assert {*log.look()} >= {"a", "b", "c"}
    log.store("d")
    assert "d" in log.look()
