"""Steps are done again while MongoDB is away, for a limited time, and other errors are raised."""

import pytest

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_runtime.patience import patiently


@pytest.mark.parametrize("failures", [0, 2])
def test_a_step_is_done_again_until_it_succeeds(failures: int) -> None:
    left = [NotAvailableError("away")] * failures

    def step() -> str:
        if left:
            raise left.pop()
        return "done"

    assert patiently(60, step) == "done"
    assert not left


def test_an_outage_that_lasts_and_other_errors_are_raised() -> None:
    tries: list[Exception] = []

    def step(error: Exception) -> None:
        tries.append(error)
        raise error

    with pytest.raises(NotAvailableError, match="away"):
        patiently(0, lambda: step(NotAvailableError("away")))
    with pytest.raises(FieldError):
        patiently(60, lambda: step(FieldError("--a", "is wrong", "correct it")))
    assert len(tries) == 2
