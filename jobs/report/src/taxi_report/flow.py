"""The report as a flow of Prefect 3: the same steps, each a task.

Used where a Prefect server or Cloud is configured (`PREFECT_API_URL`); without one the steps run
plainly, because Prefect would start a server of its own for each run.
"""

import logging
from typing import Any

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import concurrency

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_report import steps
from taxi_report.collect.workers import workers_of
from taxi_report.plain import make_report
from taxi_report.request import Progress, Request
from taxi_report.results import Collected, Compared, Profiled, Rendered, Stored
from taxi_report.settings import Settings

logger = logging.getLogger(__name__)

#: Limits how many reports run at once, where the server has a limit of this name.
LIMIT = "taxi-report"
_RETRIES: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 10, 30],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": lambda _task, _run, state: _is_worth_it(state),
}
#: Results are large and are handed on in memory.
_IN_MEMORY: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}

_HOUR = 3600


def _is_worth_it(state: Any) -> bool:
    """Tell whether a task may do better when it is tried again."""
    try:
        state.result()
    except FieldError:
        return False
    except Exception:
        return True
    return True


@task(name="collect", timeout_seconds=600, **_RETRIES, **_IN_MEMORY)
def _collect(request: Request) -> Collected:
    return steps.collect_rows(request)


@task(name="profile", timeout_seconds=4 * _HOUR, **_RETRIES, **_IN_MEMORY)
def _profile(request: Request, collected: Collected, progress: Progress) -> Profiled:
    settings = request.settings
    progress.begin(collected.partitions)
    with workers_of(settings) as workers:
        return steps.profile_rows(request, collected, workers, progress.advance)


@task(name="compare", timeout_seconds=600, **_RETRIES, **_IN_MEMORY)
def _compare(request: Request, profiled: Profiled) -> Compared:
    return steps.compare_rows(request, profiled)


@task(name="render", timeout_seconds=600, **_RETRIES, **_IN_MEMORY)
def _render(request: Request, compared: Compared) -> Rendered:
    return steps.render_report(request, compared)


@task(name="store", timeout_seconds=600, **_RETRIES, **_IN_MEMORY)
def _store(request: Request, rendered: Rendered) -> Stored:
    return steps.store_report(request, rendered)


@flow(name="monitor_span", persist_result=False, validate_parameters=False)
def monitor_span(request: Request, progress: Progress) -> Stored:
    """Make the report of a span, and show its verdicts as an artifact."""
    log = get_run_logger()
    log.info("report %s", request.id)
    with concurrency(LIMIT, occupy=1, timeout_seconds=_HOUR, strict=False):
        collected = _collect(request)
        profiled = _profile(request, collected, progress)
        stored = _store(request, _render(request, _compare(request, profiled)))
    create_table_artifact(
        key=_key(request.id),
        table=verdicts(stored.document),
        description=f"{request.id}: {stored.document['verdict']}",
    )
    return stored


def make_report_with_prefect(request: Request, progress: Progress) -> Stored:
    """Make a report as a flow run named after it; without Prefect when its server is or goes away.

    Raises:
        NotAvailableError: the server refuses the run.
        TaxiError: as `taxi_report.plain.make_report`.
    """
    if not _answers(request.settings):
        logger.warning("Prefect does not answer; the report is made without it")
        return make_report(request, progress)
    named = monitor_span.with_options(flow_run_name=request.id)
    try:
        return named(request, progress)
    except TimeoutError as error:
        raise NotAvailableError(
            f"Prefect: {error!s:.200}; let reports that run end, or raise the limit {LIMIT}"
        ) from error
    except httpx.HTTPError as error:
        refused = _refusal(error)
        if refused:
            raise NotAvailableError(
                f"Prefect: answers {refused}; check PREFECT_API_URL and its key"
            ) from error
        logger.warning("Prefect went away (%s); the report is made without it", error)
        return make_report(request, progress)


def _refusal(error: httpx.HTTPError) -> int:
    """Return the status with which Prefect refuses, 0 when it has only gone away."""
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0
    return status if status < httpx.codes.INTERNAL_SERVER_ERROR else 0


def _answers(settings: Settings) -> bool:
    """Tell whether a server is there: a report is worth more than a line in its list.

    One that asks for a key answers too, if only to say so.
    """
    try:
        answer = httpx.get(f"{settings.prefect_api_url}/health", timeout=settings.timeout_seconds)
    except httpx.HTTPError:
        return False
    return answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR


def verdicts(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table of the artifact: a line for each column of each version."""
    return [
        {
            "version": version["model_version"],
            "column": one["name"],
            "score": one["score"],
            "stratified score": one["stratified_score"],
            "threshold": one["threshold"],
            "verdict": "drift" if one["drifted"] else one["problem"] or "no drift",
        }
        for version in document["versions"]
        for one in version["columns"]
    ]


def _key(report_id: str) -> str:
    """Return a key as Prefect allows it: small letters, digits and dashes."""
    return "".join(one if one.isalnum() else "-" for one in report_id.lower())
