"""A check from files or the log to its document."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from taxi_domain.errors import TaxiError
from taxi_report.check.conditions import BUILT_IN, Conditions, read_conditions
from taxi_report.check.document import FAILED, Document, document_of
from taxi_report.check.evaluation import evaluated
from taxi_report.check.facts import Counted, Facts, facts_of
from taxi_report.collect.against import Against, Opened, against
from taxi_report.collect.file_rows import profile_files
from taxi_report.collect.files import Seen, Source
from taxi_report.collect.log_rows import LogQuery, json_of_where, profile_log
from taxi_report.collect.reference import Known
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile

#: A check has no sample and no time: its conditions are of all rows.
_SAMPLE_ROWS = 1
_SPAN = (0.0, 1.0)


class ConditionsNotMetError(TaxiError):
    """Data or model do not behave as the conditions say.

    Attributes:
        document: The check's whole document.
    """

    def __init__(self, document: Document) -> None:
        failed = [one for one in document["conditions"] if one["failed"]]
        first = "; ".join(sentence(one) for one in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        super().__init__(
            f"check: {len(failed)} of {len(document['conditions'])} conditions not met: "
            f"{first}{more}; look into the data, or change the conditions"
        )
        self.document = document


def sentence(condition: Document) -> str:
    """Say what is wrong with one condition of a document."""
    of = f" of {condition['column']}" if condition["column"] else ""
    reason = condition["reason"]
    if condition["value"] is None:
        reason = f"cannot be evaluated ({reason})"
    return f"{condition['condition']}{of} {reason}"


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What is checked.

    Attributes:
        reference: What the data is compared with (`taxi_report.collect.against.against`).
        data: Files and folders of rows, or rows of the log.
        schema: File of the schema, None for the reference's own.
        checks: File of the conditions, None for the defaults.
        prediction: Column of the predictions, where files have it.
        opened: Opens the database; asked only for what is there.
    """

    reference: str
    data: tuple[Path, ...] | LogQuery
    schema: Path | None
    checks: Path | None
    prediction: str
    opened: Callable[[], Opened]


@dataclass(frozen=True, slots=True)
class Checked:
    """A check that was made: its document, and the facts behind it."""

    document: Document
    facts: Facts

    def raise_for_conditions(self) -> None:
        """Raise an error when conditions are not met.

        Raises:
            ConditionsNotMetError: some are not.
        """
        if self.document["verdict"] == FAILED:
            raise ConditionsNotMetError(self.document)


def check(request: CheckRequest) -> Checked:
    """Check data against a reference.

    Raises:
        FieldError: an option cannot be used.
        TaxiError: data, reference, schema or conditions cannot be read.
    """
    base = against(request.reference, request.schema, request.prediction, request.opened)
    conditions = BUILT_IN if request.checks is None else read_conditions(
        request.checks, base.schema
    )  # fmt: skip
    known = base.known(_SPAN, _SAMPLE_ROWS)
    if isinstance(request.data, LogQuery):
        data = _of_log(request.data, request.opened, known.layout)
    else:
        data = _of_files(Source(request.data, base.schema, request.prediction), known.layout)
    return _checked(base, known, conditions, data)


@dataclass(frozen=True, slots=True)
class _Data:
    profile: VersionProfile
    counted: Counted
    about: Document
    problems: list[str]


def _checked(base: Against, known: Known, conditions: Conditions, data: _Data) -> Checked:
    facts = facts_of(known, data.profile, data.counted)
    problems = [*data.problems]
    problems += [
        f"{name}: has no value in the reference, so it is not compared"
        for name in known.layout.unprofiled
    ]
    document = document_of(
        facts, _about(base, known), data.about, problems, evaluated(facts, conditions)
    )
    return Checked(document, facts)


def _about(base: Against, known: Known) -> Document:
    return {
        "name": base.name,
        "version": None if base.artifact is None else base.artifact.version,
        "rows": known.reference.rows,
        "of_rows": base.total or known.reference.rows,
    }


def _of_files(source: Source, layout: Layout) -> _Data:
    seen = Seen(source.schema)
    profile = profile_files(source, layout, seen)
    ids = seen.ids
    counted = Counted(
        rows=seen.rows, refused_rows=seen.refused_rows, refused=seen.refused, nulls=seen.nulls,
        doubled_ids=ids.count, examples=tuple(ids.examples), without_id=seen.without_id,
    )  # fmt: skip
    about = {"files": [str(path) for path in source.paths]}
    return _Data(profile, counted, about, seen.problems())


def _of_log(query: LogQuery, opened: Callable[[], Opened], layout: Layout) -> _Data:
    with opened() as database:
        profile, unreadable = profile_log(database, query, layout)
    nulls = {name: summary.missing for name, summary in profile.numeric.items()}
    nulls |= {name: summary.missing for name, summary in profile.categorical.items()}
    counted = Counted(
        rows=profile.rows, refused_rows=None, refused={}, doubled_ids=None,
        nulls=nulls,
    )  # fmt: skip
    about = {
        "model": query.model, "from": query.span.start.isoformat(),
        "to": query.span.end.isoformat(), "where": json_of_where(query.where),
    }  # fmt: skip
    problems = [
        f"{count:,} documents of {collection} could not be read"
        for collection, count in unreadable.items()
    ]
    return _Data(profile, counted, about, problems)
