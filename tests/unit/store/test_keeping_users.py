"""The container beside mongod goes on where the server refuses it, and ends where it is away."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from taxi_domain.errors import TaxiError
from taxi_store.admin.bootstrap_users import Readiness, keep
from taxi_store.admin.replica_set import NewMemberError, NotSettledError
from taxi_store.admin.users import LockedOutError
from taxi_store.connection import StoreUnavailableError

PATIENCE_SECONDS = 600.0
MINUTE = 60.0
LOCKED_OUT = LockedOutError("refused")
AWAY = StoreUnavailableError("away")


def goes_on(tmp_path: Path, looks: Iterable[tuple[float, TaxiError | None]]) -> bool:
    """Tell whether it looks until it is asked to stop.

    Args:
        tmp_path: Where it says that the server is ready.
        looks: How long each takes, seconds, and how it fails.
    """
    stop, now, left = threading.Event(), 0.0, list(looks)

    def apply() -> bool:
        nonlocal now
        seconds, failure = left.pop(0)
        now += seconds
        if not left:
            stop.set()
        if failure is not None:
            raise failure
        return False

    return keep(
        apply, stop, Readiness(tmp_path / "ready"), pause_seconds=1e-6,
        patience_seconds=PATIENCE_SECONDS, clock=lambda: now,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [LockedOutError, NotSettledError, NewMemberError])
def test_a_server_that_answers_is_never_given_up(
    tmp_path: Path, kind: Callable[[str], TaxiError]
) -> None:
    """A new process would not know the password of before."""
    eleven_minutes = [(MINUTE, kind("refused"))] * 11

    # One answer that is lost afterwards is no reason either: it was there a moment ago.
    assert goes_on(tmp_path, [*eleven_minutes, (5.0, AWAY), (MINUTE, kind("refused"))])


def test_one_that_is_away_for_longer_than_its_patience_is(tmp_path: Path) -> None:
    away = [(MINUTE, AWAY)]

    assert goes_on(tmp_path, [*away * 10, (1.0, LOCKED_OUT), *away * 10])
    assert not goes_on(tmp_path, [(1.0, LOCKED_OUT), *away * 11])
    assert not goes_on(tmp_path, [(1.0, None), *away * 11])
