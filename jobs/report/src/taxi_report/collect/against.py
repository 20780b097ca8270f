"""What rows are compared with: a model version, an exported artifact, or rows in files."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymongo.database import Database

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.models import Alias
from taxi_files.reading import DataFileError
from taxi_profiles.reference import Sample, reference_of
from taxi_report.collect.files import Seen, Source, read_pieces, row_total
from taxi_report.collect.reference import Known, NoReferenceError, known_of, rows_of_reference
from taxi_report.profile.layout import layout_of
from taxi_schema.column import Column, Drift, FeatureType, Kind
from taxi_schema.columns.arrays import Array, is_missing
from taxi_schema.columns.limits import evaluated
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.errors import number_text
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_store.connection import Document
from taxi_store.registry.artifacts import MAX_ARCHIVE_BYTES, Artifact, unpack
from taxi_store.registry.registry import Registry

Floats = NDArray[np.float64]
#: Opens the registry's database; asked only for a version of it.
Opened = AbstractContextManager[Database[Document]]

#: Rows of a file that a reference is made of: chosen evenly where it has more.
MAX_REFERENCE_ROWS: Final = 50_000
#: Name of the version of a reference that no model has.
ROWS: Final = "rows"
_VERSION: Final = re.compile(r"[0-9a-f]{12}")
_ARTIFACT: Final = ".tar"


@dataclass(frozen=True, slots=True)
class Against:
    """A reference before it is known what it is used for.

    Attributes:
        name: As it was given.
        schema: Of its rows.
        artifact: What brings it along, None for rows of files.
        rows: Rows of files that it is made of, None for an artifact.
        total: Rows of these files that a request could send, of which `rows` were chosen.
        model: Name of the model where it is known.
    """

    name: str
    schema: Schema
    artifact: Artifact | None = None
    rows: LabelledRows | None = None
    total: int = 0
    model: str = ""

    def known(self, span: tuple[float, float], sample_rows: int) -> Known:
        """Return the reference for a span of times.

        Args:
            span: Begin and end, seconds since the epoch.
            sample_rows: Rows of the sample.

        Raises:
            NoReferenceError: there is none that can be used.
        """
        if self.artifact is not None:
            return known_of(self.artifact, self.artifact.version, span, sample_rows)
        assert self.rows is not None
        try:
            reference = reference_of(sample_of(self.schema, self.rows))
        except ValueError as error:
            raise NoReferenceError(f"{self.name}: {error}; give more rows") from error
        layout = layout_of(ROWS, self.schema, reference, span=span, sample_rows=sample_rows)
        return Known(reference, rows_of_reference(self.rows, layout), layout)


class OtherSchemaError(TaxiError):
    """A reference has another schema than the one that was given."""


def against(
    name: str, schema: Path | None, prediction: str, opened: Callable[[], Opened]
) -> Against:
    """Read what rows are compared with.

    Args:
        name: A file or folder of rows, an artifact (`.tar`), or a version of the registry:
            `MODEL@champion`, `MODEL@fallback`, or its twelve digits.
        schema: File of the schema; needed for rows, compared with the artifact's else.
        prediction: Column of the predictions, where a file has it.
        opened: Opens the registry's database.

    Raises:
        FieldError: the name is none of these, or the schema is missing.
        OtherSchemaError: the schema is not the artifact's.
        TaxiError: it cannot be read.
    """
    given = None if schema is None else read_schema(schema)
    path = Path(name)
    if path.suffix.lower() == _ARTIFACT:
        return _of_artifact(name, _unpacked(path), given)
    if path.exists():
        if given is None:
            raise FieldError(
                "--schema", f"is missing, and the rows of {name} bring none",
                "name the schema's TOML",
            )  # fmt: skip
        return _of_rows(Source((path,), given, prediction))
    model, _, alias = name.rpartition("@")
    if _VERSION.fullmatch(name) or (model and alias in set(Alias)):
        with opened() as database:
            return _of_registry(database, name, given)
    raise FieldError(
        "--reference", f"{name} is no file, and no version of the registry",
        "give a file of rows, an artifact (.tar), MODEL@champion, or a version's twelve digits",
    )  # fmt: skip


def _unpacked(path: Path) -> Artifact:
    try:
        with path.open("rb") as file:
            return unpack(file.read(MAX_ARCHIVE_BYTES + 1))
    except OSError as error:
        raise DataFileError(
            f"{path}: cannot be read ({error.strerror}); name an artifact that is there"
        ) from error


def _of_registry(database: Database[Document], name: str, given: Schema | None) -> Against:
    registry = Registry(database)
    model, _, alias = name.rpartition("@")
    version = name
    if model:
        entry = registry.alias(model, Alias(alias))
        if entry is None:
            raise NoReferenceError(f"{name}: the alias points at no version; promote one")
        version = entry.version
    found = _of_artifact(name, registry.load(version), given)
    return Against(
        name, found.schema, found.artifact, model=model or registry.get(version).model
    )  # fmt: skip


def _of_artifact(name: str, artifact: Artifact, given: Schema | None) -> Against:
    schema = known_of(artifact, artifact.version, (0.0, 1.0), 1).layout.schema
    if given is not None and (other := _differences(schema, given)):
        raise OtherSchemaError(
            f"{name}: has another schema than --schema: {'; '.join(other[:8])}"
            f"{'; and more' if len(other) > 8 else ''}; leave --schema out, or name another "
            "reference"
        )
    return Against(name, schema, artifact, model=str(artifact.card.get("model", "")))


def _differences(theirs: Schema, given: Schema) -> list[str]:
    """Say in what two schemas differ that rows or figures follow from."""
    there, here = _facts(theirs), _facts(given)
    return [
        f"{key} is {there.get(key, 'absent')} there and {here.get(key, 'absent')} in --schema"
        for key in dict.fromkeys([*there, *here])
        if there.get(key) != here.get(key)
    ]


def _facts(schema: Schema) -> dict[str, str]:
    time = schema.event_time
    found = {
        "id": schema.id,
        "event_time": "none" if time is None else f"{time.name} ({time.timezone})",
        **{
            f"target.{key}": _text(value)
            for key, value in schema.target.document().items()
            if key != "description"
        },
    }
    for column in schema.columns:
        found[column.name] = f"a {column.kind} ({column.type})"
        for key, value in column.document().items():
            if key not in {"name", "kind", "type", "description"}:
                found[f"{column.name}.{key}"] = _text(value)
    return found


def _text(value: object) -> str:
    return number_text(value) if isinstance(value, float) else str(value)


def _of_rows(source: Source) -> Against:
    """Read rows that a reference is made of: twice, so that no more are held than it has."""
    (name,) = source.paths
    stride = max(row_total(source.paths) / MAX_REFERENCE_ROWS, 1.0)
    parts: list[LabelledRows] = []
    seen = Seen(source.schema)
    total = 0
    for read in read_pieces(source, seen):
        places = np.arange(total, total + len(read.rows))
        parts.append(read.rows[(places + 1) // stride > places // stride])
        total += len(read.rows)
    if seen.absent.keys() & {column.name for column in source.schema.columns}:
        raise NoReferenceError(
            f"{name}: {'; '.join(seen.problems()[:3])}; give rows of this schema"
        )
    rows = joined(parts) if parts else None
    if rows is None or not len(rows):
        refused = ", ".join(f"{column} {reason}" for column, reason in seen.refused)
        raise NoReferenceError(
            f"{name}: none of {seen.rows} rows suits the schema ({refused or 'it is empty'}); "
            "give others"
        )
    timed = ~np.isnat(rows.event_times)
    return Against(str(name), source.schema, rows=rows[timed] if timed.any() else rows, total=total)


def sample_of(schema: Schema, rows: LabelledRows) -> Sample:
    """Return the measured columns; labels that errors do not count are missing."""
    measured = [column for column in schema.columns if column.drift is not Drift.IGNORED]
    counted = evaluated(schema.target, rows.target)
    return Sample(
        numeric={
            column.name: rows.columns[column.name]
            for column in measured
            if column.kind is Kind.NUMBER
        },
        categorical={
            column.name: _categories(column, rows.columns[column.name])
            for column in measured
            if column.kind is not Kind.NUMBER
        },
        prediction=rows.prediction,
        target=np.where(counted, rows.target, np.nan),
        moments=rows.moments if np.isfinite(rows.moments).all() else None,
        deciding=frozenset(column.name for column in measured if column.drift is Drift.DECIDES),
        partial=True,
    )


def _categories(column: Column, array: Array) -> Floats | list[str | None]:
    if column.type is FeatureType.STRING:
        return [text or None for text in array.tolist()]
    return np.where(is_missing(column, array), np.nan, array)
