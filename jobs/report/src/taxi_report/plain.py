"""A report without Prefect: the steps one after the other, each tried again as Prefect would."""

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from taxi_domain.errors import NotAvailableError
from taxi_report import steps
from taxi_report.collect.workers import workers_of
from taxi_report.request import Progress, Request
from taxi_report.results import Stored

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def make_report(request: Request, progress: Progress) -> Stored:
    """Make a report and store it.

    Raises:
        NotAvailableError: MongoDB or the workers were away for too long.
        TaxiError: it cannot be stored.
    """
    settings = request.settings
    collected = _patiently(request, lambda: steps.collect_rows(request))
    progress.begin(collected.partitions)
    with workers_of(settings.dask_address, settings.workers) as workers:
        profiled = steps.profile_rows(request, collected, workers, progress.advance)
    compared = steps.compare_rows(request, profiled)
    rendered = steps.render_report(request, compared)
    return _patiently(request, lambda: steps.store_report(request, rendered))


def _patiently(request: Request, step: Callable[[], Result]) -> Result:
    """Do a step again while MongoDB is away, as long as the settings say."""
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NotAvailableError),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=10),
        stop=tenacity.stop_after_delay(request.settings.patience_seconds),
        before_sleep=lambda state: logger.warning(
            "waiting for MongoDB (try %d)", state.attempt_number
        ),
        reraise=True,
    )
    return retrying(step)
