"""Everything that the monitor knows of one model version."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.windows.labelled import Labelled, LabelledSnapshot
from taxi_monitor.windows.misfits import LOG
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.window import Row, Snapshot, Window
from taxi_profiles.reference import TARGET, Reference
from taxi_profiles.verdict import Alarm, Verdict, evaluate, evaluate_labelled
from taxi_schema.schema import Schema


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the last evaluation of a version found.

    Attributes:
        at: Time of its end, seconds since the epoch.
        window: The window that was evaluated.
        labelled: The labelled rows that were evaluated: those within the target's limits.
        outside_ratio: Share of the newest labels that are outside of these limits, None with too
            few labels.
        inputs: Verdict on the features, None with too few rows.
        errors: Verdict on target and error, None with too few labels.
        alarm: State over the evaluations so far.
    """

    at: float
    window: Snapshot
    labelled: Snapshot
    outside_ratio: float | None
    inputs: Verdict | None
    errors: Verdict | None
    alarm: Alarm

    @property
    def unscored(self) -> dict[str, float]:
        """Inputs without a score, with their share of rows without a value."""
        problems = self.inputs.problems if self.inputs else ()
        return {name: float(np.isnan(self.window.columns[name]).mean()) for name in problems}


class Match(NamedTuple):
    """The row of a label, and whether the label is new to it."""

    row: Row
    new: bool


@dataclass
class WatchedVersion:
    """Windows and verdict of one version; the holder of the state's lock changes it."""

    role: str
    reader: RowReader
    window: Window
    labelled: Labelled
    alarm: Alarm = field(default_factory=Alarm)
    evaluation: Evaluation | None = None

    @property
    def version(self) -> str:
        """Model version."""
        return self.reader.version

    @property
    def schema(self) -> Schema:
        """Schema of the version."""
        return self.reader.schema

    @property
    def reference(self) -> Reference:
        """Reference of the version."""
        return self.reader.reference

    def add(self, record: PredictionRecord, source: str = LOG) -> bool:
        """Take a record that this version answered or shadowed; False when it is not for it."""
        row = self._row_of(record, source)
        return row is not None and self.window.add(row)

    def put_right(self, record: PredictionRecord) -> bool:
        """Take a record as the log has it, in place of another answer to the same row.

        Its label has to be joined again.
        """
        row = self._row_of(record, LOG)
        for rows in (self.window, self.labelled):
            old = rows.find(record.row_id)
            # Only labelled rows have a target.
            if old is not None and (row is None or old._replace(target=row.target) != row):
                rows.remove(record.row_id)
        return row is not None and self.window.add(row)

    def join(self, label: Label, record: PredictionRecord | None = None) -> Match | None:
        """Join a label with its row; return what there is, None without the row.

        Args:
            label: The label, as the log has it.
            record: The row's record where the window does not have it any more.
        """
        row = self.window.find(label.row_id)
        if row is None and record is not None:
            row = self._row_of(record, LOG)
        if row is None:
            return None
        return Match(row, self.labelled.add(row._replace(target=label.value)))

    def evaluated(
        self, window: Snapshot, labelled: LabelledSnapshot, min_rows: int, window_rows: int,
        now: float,
    ) -> Evaluation:  # fmt: skip
        """Evaluate copies of the windows; needs no lock.

        Args:
            window: Of the features.
            labelled: Of the labelled rows.
            min_rows: Fewest rows that are evaluated.
            window_rows: Size of a full window: how far apart evaluations must be to count.
            now: Time, seconds since the epoch.
        """
        inputs = errors = outside = None
        alarm = self.alarm
        if window.rows >= min_rows:
            inputs = evaluate(self.reference, _without_target(window.columns))
            if inputs.score_ratio is not None:
                alarm = alarm.after(inputs.score_ratio, window.seen, min(window_rows, window.rows))
        if labelled.rows >= min_rows:
            outside = labelled.outside / labelled.rows
        if labelled.evaluated.rows >= min_rows:
            errors = evaluate_labelled(self.reference, labelled.evaluated.columns)
        return Evaluation(now, window, labelled.evaluated, outside, inputs, errors, alarm)

    def _row_of(self, record: PredictionRecord, source: str) -> Row | None:
        prediction = self._prediction_of(record)
        return None if prediction is None else self.reader.row_of(record, prediction, source)

    def _prediction_of(self, record: PredictionRecord) -> float | None:
        if record.model_version == self.version:
            return record.prediction
        return next(
            (shadow.prediction for shadow in record.shadow if shadow.model_version == self.version),
            None,
        )


def watched_version(
    role: str, reader: RowReader, *, window_rows: int, error_window_rows: int
) -> WatchedVersion:
    """Return a version with empty windows.

    Args:
        role: Alias that it is watched for.
        reader: Of the version.
        window_rows: Size of the window.
        error_window_rows: Labelled rows that the error is taken over.
    """
    return WatchedVersion(
        role, reader, Window(window_rows, reader.names),
        Labelled(error_window_rows, reader.names, reader.schema.target),
    )  # fmt: skip


def rebuild(
    watched: WatchedVersion,
    records: Iterable[PredictionRecord],
    labelled: Iterable[tuple[PredictionRecord, Label]],
) -> None:
    """Fill the windows from the log."""
    for record in records:
        watched.add(record)
    for record, label in labelled:
        watched.join(label, record)


def _without_target(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: column for name, column in columns.items() if name != TARGET}
