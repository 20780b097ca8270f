"""Everything that the monitor knows of one model version."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.windows.labelled import Labelled, LabelledSnapshot
from taxi_monitor.windows.window import Row, Snapshot, Window, row_of
from taxi_profiles.reference import TARGET, Reference
from taxi_profiles.verdict import Alarm, Verdict, evaluate, evaluate_labelled


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the last evaluation of a version found.

    Attributes:
        at: Time of its end, seconds since the epoch.
        window: The window that was evaluated.
        labelled: The labelled rides that were evaluated: those within the target's limits.
        outside_ratio: Share of the newest labels that are outside of these limits, None with too
            few labels.
        inputs: Verdict on the features, None with too few rides.
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


class Match(NamedTuple):
    """The ride of a label, and whether the label is new to it."""

    row: Row
    new: bool


@dataclass
class WatchedVersion:
    """Windows and verdict of one version; the holder of the state's lock changes it."""

    version: str
    role: str
    reference: Reference
    window: Window
    labelled: Labelled
    alarm: Alarm = field(default_factory=Alarm)
    evaluation: Evaluation | None = None

    def add(self, record: PredictionRecord) -> bool:
        """Take a record that this version answered or shadowed; False when it is not for it."""
        prediction = self._prediction_of(record)
        return prediction is not None and self.window.add(row_of(record, prediction))

    def put_right(self, record: PredictionRecord) -> bool:
        """Take a record as the log has it, in place of another answer to the same ride.

        Its label has to be joined again.
        """
        prediction = self._prediction_of(record)
        row = None if prediction is None else row_of(record, prediction)
        for rides in (self.window, self.labelled):
            old = rides.find(record.ride_id)
            # Only labelled rides have a target.
            if old is not None and (row is None or old._replace(target=row.target) != row):
                rides.remove(record.ride_id)
        return row is not None and self.window.add(row)

    def join(self, label: Label, record: PredictionRecord | None = None) -> Match | None:
        """Join a label with its ride; return what was found, None without the ride.

        Args:
            label: The label, as the log has it.
            record: The ride's record where the window does not have it any more.
        """
        row = self.window.find(label.ride_id)
        if row is None and record is not None:
            prediction = self._prediction_of(record)
            row = None if prediction is None else row_of(record, prediction)
        if row is None:
            return None
        return Match(row, self.labelled.add(row._replace(target=label.duration)))

    def evaluated(
        self, window: Snapshot, labelled: LabelledSnapshot, min_rows: int, window_rows: int,
        now: float,
    ) -> Evaluation:  # fmt: skip
        """Evaluate copies of the windows; needs no lock.

        Args:
            window: Of the features.
            labelled: Of the labelled rides.
            min_rows: Fewest rides that are evaluated.
            window_rows: Size of a full window: how far apart evaluations must be to count.
            now: Time, seconds since the epoch.
        """
        inputs = errors = outside = None
        alarm = self.alarm
        if window.rows >= min_rows:
            columns = {name: one for name, one in window.columns.items() if name != TARGET}
            inputs = evaluate(self.reference, columns)
            if inputs.score_ratio is not None:
                alarm = alarm.after(inputs.score_ratio, window.seen, min(window_rows, window.rows))
        if labelled.rows >= min_rows:
            outside = labelled.outside / labelled.rows
        if labelled.evaluated.rows >= min_rows:
            errors = evaluate_labelled(self.reference, labelled.evaluated.columns)
        return Evaluation(now, window, labelled.evaluated, outside, inputs, errors, alarm)

    def _prediction_of(self, record: PredictionRecord) -> float | None:
        if record.model_version == self.version:
            return record.prediction
        return next(
            (one.prediction for one in record.shadow if one.model_version == self.version), None
        )


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
