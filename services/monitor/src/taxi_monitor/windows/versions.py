"""Everything that the monitor knows of one model version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from taxi_domain.records import PredictionRecord
from taxi_monitor.records.batch import RecordBatch, batch_of
from taxi_monitor.windows.bin_counts import BinCounts
from taxi_monitor.windows.labelled import Labelled, LabelledSnapshot
from taxi_monitor.windows.misfits import LOG
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.window import TARGET_PLACE, Floats, Ids, Mask, Rows, Snapshot, Window
from taxi_profiles.reference import PREDICTION, TARGET, Reference
from taxi_profiles.scores.named import NamedScores
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
        named: Scores of the features by the names that were asked for.
    """

    at: float
    window: Snapshot
    labelled: Snapshot
    outside_ratio: float | None
    inputs: Verdict | None
    errors: Verdict | None
    alarm: Alarm
    named: NamedScores = field(default_factory=NamedScores)

    @property
    def unscored(self) -> dict[str, float]:
        """Inputs without a score, with their share of rows without a value."""
        problems = self.inputs.problems if self.inputs else ()
        return {name: float(np.isnan(self.window.columns[name]).mean()) for name in problems}


@dataclass(frozen=True, slots=True)
class Matches:
    """What became of n labels.

    Attributes:
        ts: Answer times of their rows, seconds since the epoch, shape (n,); NaN where the row is
            not at hand.
        new: Which labels are new to their rows, shape (n,).
    """

    ts: Floats
    new: Mask


@dataclass
class WatchedVersion:
    """Windows and verdict of one version; the holder of the state's lock changes it."""

    role: str
    reader: RowReader
    window: Window
    labelled: Labelled
    bins: BinCounts
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

    def add(self, records: RecordBatch | PredictionRecord, source: str = LOG) -> Mask:
        """Take records; tell which this version answered or shadowed, and are new, shape (n,)."""
        batch = records if isinstance(records, RecordBatch) else batch_of([records])
        taken = np.zeros(len(batch), np.bool_)
        places, rows = self._rows_of(batch, source)
        taken[places] = self._add(rows)
        return taken

    def put_right(self, batch: RecordBatch) -> Mask:
        """Take records as the log has them, in place of other answers to the same rows.

        Their labels have to be joined again.

        Returns:
            Which are new to the window, shape (n,).
        """
        taken = np.zeros(len(batch), np.bool_)
        places, rows = self._rows_of(batch, LOG)
        counted = self.window.places_of(rows.ids) >= 0
        for window in (self.window, *self.labelled.windows()):
            window.remove(_otherwise(window, batch.ids, places, rows))
        taken[places] = self._add(rows, counted)
        return taken

    def join(
        self, ids: Sequence[str], targets: Floats, batch: RecordBatch | None = None
    ) -> Matches:
        """Join labels with their rows.

        Args:
            ids: Of the rows, each once.
            targets: Labels, as the log has them, shape (n,).
            batch: Records of the rows, in the same order, where the window may not have them any
                more.
        """
        found = Matches(np.full(len(ids), np.nan), np.zeros(len(ids), np.bool_))
        places = self.window.places_of(ids)
        here = np.flatnonzero(places >= 0)
        self._join(self.window.at(places[here]), here, targets, found)
        if batch is not None:
            missing, answers = batch.answers(self.version, np.flatnonzero(places < 0))
            self._join(self.reader.rows_of(batch, missing, answers, LOG), missing, targets, found)
        return found

    def _add(self, rows: Rows, counted: Mask | None = None) -> Mask:
        """Put rows into the window, and count those that are new to it and were not `counted`."""
        new = self.window.add(rows)
        self.bins.add(rows.table[new if counted is None else new & ~counted])
        return new

    def _join(self, rows: Rows, places: Ids, targets: Floats, found: Matches) -> None:
        found.ts[places] = rows.ts
        found.new[places] = self.labelled.add(rows.labelled(targets[places]))

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
            inputs = evaluate(self.reference, known(window.columns))
            if inputs.score_ratio is not None:
                alarm = alarm.after(inputs.score_ratio, window.seen, min(window_rows, window.rows))
        if labelled.rows >= min_rows:
            outside = labelled.outside / labelled.rows
        if labelled.evaluated.rows >= min_rows:
            errors = evaluate_labelled(self.reference, labelled.evaluated.columns)
        return Evaluation(now, window, labelled.evaluated, outside, inputs, errors, alarm)

    def _rows_of(self, batch: RecordBatch, source: str) -> tuple[Ids, Rows]:
        """Return the places and rows of what the version answered or shadowed."""
        places, answers = batch.answers(self.version)
        return places, self.reader.rows_of(batch, places, answers, source)


def _otherwise(window: Window, ids: Sequence[str], places: Ids, rows: Rows) -> list[str]:
    """Return the ids of records that a window has otherwise, or is not to have."""
    at = window.places_of(ids)
    wrong = at >= 0
    known = places[wrong[places]]
    if len(known):
        here = wrong[places]
        old, new = window.at(at[known]), rows.part(here)
        table = new.table.copy()
        # Only labelled rows have a target.
        table[:, TARGET_PLACE] = old.table[:, TARGET_PLACE]
        same = (old.ts == new.ts) & _equal(old.table, table)
        wrong[known] = ~same
    return [ids[place] for place in np.flatnonzero(wrong).tolist()]


def _equal(first: Floats, second: Floats) -> Mask:
    """Tell which rows of two tables are equal, missing values among them, shape (n,)."""
    equal: Mask = ((first == second) | (np.isnan(first) & np.isnan(second))).all(axis=1)
    return equal


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
        BinCounts(reader.reference, reader.names),
    )  # fmt: skip


def known(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the columns of a window of rows: their target is not known yet.

    Rows that nobody predicts have no prediction, which is none that is missing.
    """
    left_out = {TARGET} if np.isfinite(columns[PREDICTION]).any() else {TARGET, PREDICTION}
    return {name: column for name, column in columns.items() if name not in left_out}
