"""A check as a task of Prefect 3, for a flow of one's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from taxi_report.check.command import check_given, query_of, write
from taxi_report.check.run import CheckRequest, ConditionsNotMetError
from taxi_report.check.run import check as made
from taxi_report.options import opened, settings_of

__all__ = ["ConditionsNotMetError", "check_data"]

#: Key of the artifact: letters, digits and dashes.
ARTIFACT = "taxi-check"


@task(name="check-data", cache_policy=NO_CACHE, persist_result=False)
def check_data(  # noqa: PLR0913 - the options of the command
    reference: str | Path,
    data: str | Path | Sequence[str | Path] = (),
    *,
    schema: str | Path | None = None,
    checks: str | Path | None = None,
    json: str | Path | None = None,
    html: str | Path | None = None,
    prediction_column: str = "prediction",
    model: str = "",
    start: str = "",
    end: str = "",
    last: str = "",
    where: str = "",
    zone: str = "",
) -> dict[str, Any]:
    """Check rows of files, or of the log, as `taxi-report check` does.

    The conditions are written as a table artifact with the key `taxi-check`.

    Args:
        reference: Rows, an artifact (`.tar`), `MODEL@champion`, or a version.
        data: Files or folders; none: rows of the log, and a span of it has to be given.
        schema: File of the schema.
        checks: File of the conditions.
        json: File of the document.
        html: File of the page.
        prediction_column: Column of the model's answers.
        model: Model of the log.
        start: Begin of the span of the log.
        end: End of the span of the log.
        last: Instead: length of the span.
        where: Filter of the log, JSON.
        zone: Time zone of the span.

    Returns:
        The document.

    Raises:
        FieldError: an option cannot be used, or is of the log and `data` is given too.
        ConditionsNotMetError: not all conditions are met; has the document.
        TaxiError: the check could not be made.
    """
    files = [Path(path) for path in ((data,) if isinstance(data, str | Path) else data)]
    check_given(files, {"--from": start, "--to": end, "--last": last, "--where": where})
    checked = made(
        CheckRequest(
            reference=str(reference),
            data=tuple(files) or query_of((start, end, last), where, model, zone),
            schema=_path(schema),
            checks=_path(checks),
            prediction=prediction_column,
            opened=lambda: opened(settings_of(model)),
        )
    )
    write(checked, _path(json), _path(html))
    document = checked.document
    create_table_artifact(
        key=ARTIFACT,
        table=[_line(one) for one in document["conditions"]],
        description=f"{document['verdict']}: {document['rows']['read']:,} rows read",
    )
    checked.raise_for_conditions()
    return document


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


def _line(condition: Mapping[str, Any]) -> dict[str, Any]:
    names = ("condition", "column", "state", "value", "limit", "reason")
    return {name: condition[name] for name in names}
