"""A report without Prefect: the steps one after the other, each tried again as Prefect would."""

from taxi_report import steps
from taxi_report.collect.workers import workers_of
from taxi_report.request import Progress, Request
from taxi_report.results import Stored
from taxi_runtime.patience import patiently


def make_report(request: Request, progress: Progress) -> Stored:
    """Make a report and store it.

    Raises:
        NotAvailableError: MongoDB or the workers were away for too long.
        TaxiError: it cannot be stored.
    """
    settings = request.settings
    collected = patiently(settings.patience_seconds, lambda: steps.collect_rows(request))
    progress.begin(collected.partitions)
    with workers_of(settings) as workers:
        profiled = steps.profile_rows(request, collected, workers, progress.advance)
    compared = steps.compare_rows(request, profiled)
    rendered = steps.render_report(request, compared)
    return patiently(settings.patience_seconds, lambda: steps.store_report(request, rendered))
