"""Fixtures of the real mongod."""

from collections.abc import Iterator

import pytest

from taxi_local.mongod import Mongod, running_mongod


@pytest.fixture(scope="session")
def shared_mongod() -> Iterator[Mongod]:
    """One mongod for all tests that leave it alone; each test takes a database of its own."""
    with running_mongod() as one:
        yield one


@pytest.fixture
def mongod() -> Iterator[Mongod]:
    """Return a mongod that the test may kill."""
    with running_mongod() as one:
        yield one
