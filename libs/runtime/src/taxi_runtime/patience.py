"""Steps that are done again while MongoDB is away."""

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from taxi_domain.errors import NotAvailableError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def patiently(seconds: float, step: Callable[[], Result]) -> Result:
    """Do a step, again while MongoDB is away for at most so long.

    Raises:
        NotAvailableError: it was away for longer.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NotAvailableError),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
        stop=tenacity.stop_after_delay(seconds),
        before_sleep=lambda state: logger.warning(
            "waiting for MongoDB (try %d)", state.attempt_number
        ),
        reraise=True,
    )
    return retrying(step)
