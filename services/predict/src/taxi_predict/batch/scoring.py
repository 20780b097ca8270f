"""Answers to a piece of a file: what `/predict` would answer, and why a row has no answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from taxi_files.ids import DoubledIds, ids_of
from taxi_files.pieces import Piece, Wanted
from taxi_files.reading import FileRows, of_table
from taxi_predict.serving.loaded_model import LoadedModel
from taxi_schema.columns.arrays import array_of
from taxi_schema.columns.features import derive_columns
from taxi_schema.fitting import Reason
from taxi_schema.schema import Schema

Mask = NDArray[np.bool_]

PROBLEM_TEXTS: Final[Mapping[Reason, str]] = {
    Reason.MISSING: "is missing", Reason.TYPE: "is of another type",
    Reason.LIMITS: "outside of the limits", Reason.TEXT: "is not the text of a category",
    Reason.UNKNOWN: "is not one of its values",
}  # fmt: skip
_CAME_BEFORE: Final = "came before"
_NO_ANSWER: Final = "the model has no finite answer"
#: Digits of a file's SHA-256 in the ids that are made; the row's place follows.
_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Scored:
    """A piece with its answers; arrays have length n.

    Attributes:
        ids: Of the rows.
        made_ids: How many of these were made.
        columns: Values of the schema's columns, as `taxi_schema.columns.arrays` has them.
        event_times: Local times, datetime64[us]; NaT where not known.
        answers: In the target's unit; NaN where there is none.
        problems: Which rows have no answer, by its text; a row can have several.
    """

    ids: list[str]
    made_ids: int
    columns: Mapping[str, NDArray[Any]]
    event_times: NDArray[np.datetime64]
    answers: NDArray[np.float64]
    problems: Mapping[str, Mask]

    @property
    def answered(self) -> Mask:
        """Which rows have an answer."""
        return ~np.isnan(self.answers)


def wanted(schema: Schema, keep: Sequence[str], *, needs_time: bool) -> Wanted:
    """Return what is read of files: columns that a request may leave out may be absent.

    Args:
        schema: Of the model.
        keep: Further columns.
        needs_time: The event time must be there.
    """
    time = () if schema.event_time is None else (schema.event_time.name,)
    required = [column.name for column in schema.columns if not column.nullable]
    optional = [column.name for column in schema.columns if column.nullable]
    if needs_time:
        required += time
    return Wanted(
        tuple(dict.fromkeys([*required, *keep])),
        tuple(dict.fromkeys([schema.id, *time, *optional])),
    )


class Scorer:
    """Scores pieces in their order; knows the ids that came before.

    Args:
        model: As it serves.
        needs_time: A row without an event time has no answer.
    """

    def __init__(self, model: LoadedModel, *, needs_time: bool) -> None:
        self._model = model
        self._schema = model.schema
        self._needs_time = needs_time
        self._ids = DoubledIds()
        self._no_answer = f"{model.schema.target.name}: {_NO_ANSWER}"

    def skip(self, ids: Sequence[str], problems: Sequence[str | None]) -> None:
        """Take the ids of a piece that was scored before, but for those of refused rows."""
        asked = (None, self._no_answer)
        self._ids.add([
            row_id if problem in asked else None
            for row_id, problem in zip(ids, problems, strict=True)
        ])  # fmt: skip

    def score(self, piece: Piece, digest: str) -> Scored:
        """Return a piece's answers.

        Args:
            piece: With the wanted columns.
            digest: SHA-256 of its file, hex digits.

        Raises:
            DataFileError: a column has a type that no value can be read from.
            ModelError: the graph fails.
        """
        schema, table = self._schema, piece.table
        found = ids_of(table, schema.id, piece.path)
        ids = [
            row_id or f"{digest[:_DIGITS]}-{place}"
            for place, row_id in enumerate(found, piece.first)
        ]
        rows = of_table(schema, _whole(schema, table), piece.path)
        problems = self._problems(rows)
        fit = ~_any(problems.values(), len(ids))
        # A refused row's id is free for another row.
        own = [row_id if is_fit else None for row_id, is_fit in zip(ids, fit.tolist(), strict=True)]
        if (doubled := self._ids.add(own)).any():
            problems[f"{schema.id}: {_CAME_BEFORE}"] = doubled
        columns = {
            column.name: array_of(column, rows.columns, len(ids)) for column in schema.columns
        }
        answers = np.full(len(ids), np.nan)
        asked = fit & ~doubled
        if asked.any():
            features = derive_columns(
                schema, {name: column[asked] for name, column in columns.items()},
                rows.event_times[asked],
            )  # fmt: skip
            found_answers = self._model.graph.predict_columns(features)
            answers[asked] = np.where(np.isfinite(found_answers), found_answers, np.nan)
            if (without := asked & np.isnan(answers)).any():
                problems[self._no_answer] = without
        return Scored(ids, found.count(None), columns, rows.event_times, answers, problems)

    def _problems(self, rows: FileRows) -> dict[str, Mask]:
        problems = {
            f"{column}: {PROBLEM_TEXTS[reason]}": mask
            for (column, reason), mask in rows.refusals(self._schema).items()
        }
        time = self._schema.event_time
        if self._needs_time and time is not None:
            missing = np.isnat(rows.event_times) & ~_any(
                (mask for (column, _), mask in rows.problems.items() if column == time.name),
                len(rows.event_times),
            )
            if missing.any():
                problems[f"{time.name}: {PROBLEM_TEXTS[Reason.MISSING]}"] = missing
        return problems


def problem_texts(scored: Scored) -> pa.Array:
    """Return each row's problems as one text, null where it has none."""
    texts = np.full(len(scored.ids), None, object)
    for text, mask in scored.problems.items():
        places = np.flatnonzero(mask)
        texts[places] = [
            text if before is None else f"{before}; {text}" for before in texts[places]
        ]
    return pa.array(texts, pa.string())


def _whole(schema: Schema, table: pa.Table) -> pa.Table:
    """Return the columns that a row is read from; what a file may leave out is null."""
    there = frozenset(table.column_names)
    names = [column.name for column in schema.columns]
    arrays = {name: table[name] if name in there else pa.nulls(table.num_rows) for name in names}
    time = schema.event_time
    if time is not None and time.name in there:
        arrays[time.name] = table[time.name]
    return pa.table(arrays)


def _any(masks: Iterable[Mask], rows: int) -> Mask:
    found = np.zeros(rows, np.bool_)
    for mask in masks:
        found |= mask
    return found
