"""Runs Evidently's presets on a sample; what breaks one column or one preset loses no other."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from evidently import Report
from evidently.core.report import Snapshot
from evidently.presets import DataDriftPreset, DataSummaryPreset, RegressionPreset

from taxi_profiles.reference import PREDICTION, TARGET
from taxi_report.presets.frames import Frames, frames_of
from taxi_report.profile.layout import Layout
from taxi_report.rows import Rows

LOG: Final = logging.getLogger(__name__)

DRIFT: Final = "data-drift"
REGRESSION: Final = "regression"
SUMMARY: Final = "data-summary"
#: Presets in the order in which people read them, with their titles.
TITLES: Final = {DRIFT: "Data drift", REGRESSION: "Regression performance", SUMMARY: "Data summary"}
#: Evidently's own threshold for both distances.
THRESHOLD: Final = 0.1
#: With fewer rows on a side Evidently has no R2 and no distribution to draw.
MIN_ROWS: Final = 2


@dataclass(frozen=True, slots=True)
class PresetRuns:
    """What came of the presets of one model version.

    Attributes:
        snapshots: Evidently's snapshots by name of the preset, as `TITLES` has them; those that
            could not be made are absent.
        problems: What is left out, a sentence each.
        rows: Rows of the span's sample.
        reference_rows: Rows of the reference's sample.
    """

    snapshots: Mapping[str, Snapshot]
    problems: tuple[str, ...]
    rows: int
    reference_rows: int


def run_presets(
    layout: Layout,
    rows: Rows,
    reference: Rows,
    *,
    timestamp: datetime,
    metadata: Mapping[str, str],
) -> PresetRuns:
    """Run the three presets.

    Args:
        layout: Names and kinds of the version's columns.
        rows: Sample of the span.
        reference: Sample of the reference.
        timestamp: Time that Evidently shows a run at: the span's end.
        metadata: Texts that Evidently keeps with each run, such as the model version.
    """
    if min(len(rows), len(reference)) < MIN_ROWS:
        problem = (
            f"Evidently's presets: the span's sample has {len(rows)} rows and the reference's "
            f"{len(reference)}; both need {MIN_ROWS}"
        )
        return PresetRuns({}, (problem,), len(rows), len(reference))
    frames, problems = frames_of(rows, reference, layout)
    evaluation = _Evaluation(timestamp, {"model_version": layout.version, **metadata})
    snapshots: dict[str, Snapshot] = {}
    for name, make in _PRESETS.items():
        snapshot, found = _by_columns(name, make, frames, evaluation)
        problems += found
        if snapshot is not None:
            snapshots[name] = snapshot
    return PresetRuns(snapshots, tuple(problems), len(rows), len(reference))


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """When and for what Evidently is run."""

    timestamp: datetime
    metadata: Mapping[str, str]

    def of(self, preset: object, frames: Frames, *, regression: bool = False) -> Snapshot:
        current, reference = frames.datasets(regression=regression)
        with warnings.catch_warnings():
            # Of numpy and scikit-learn, about columns that hardly vary; nobody can act on them.
            warnings.simplefilter("ignore")
            return Report([preset]).run(
                current, reference, timestamp=self.timestamp, metadata=dict(self.metadata)
            )


def _drift(frames: Frames, evaluation: _Evaluation) -> Snapshot:
    preset = DataDriftPreset(
        columns=list(frames.columns),
        num_method="wasserstein", cat_method="jensenshannon",
        num_threshold=THRESHOLD, cat_threshold=THRESHOLD,
    )  # fmt: skip
    return evaluation.of(preset, frames)


def _regression(frames: Frames, evaluation: _Evaluation) -> Snapshot:
    return evaluation.of(RegressionPreset(), frames, regression=True)


def _summary(frames: Frames, evaluation: _Evaluation) -> Snapshot:
    return evaluation.of(DataSummaryPreset(columns=list(frames.columns)), frames)


Make = Callable[[Frames, _Evaluation], Snapshot]
_PRESETS: Final[dict[str, Make]] = {DRIFT: _drift, REGRESSION: _regression, SUMMARY: _summary}


def _by_columns(
    name: str, make: Make, frames: Frames, evaluation: _Evaluation
) -> tuple[Snapshot | None, list[str]]:
    """Run one preset; when it fails, without the columns that fail alone."""
    title = TITLES[name]
    if name == REGRESSION and {PREDICTION, TARGET} <= set(frames.columns):
        frames = frames.labelled()
    if missing := _missing(name, frames):
        return None, [f"{title}: {missing}"]
    snapshot, problem = _tried(make, frames, evaluation)
    if snapshot is not None:
        return snapshot, []
    if name == REGRESSION:
        return None, [f"{title}: Evidently fails ({problem}); the report is made without it"]
    broken = {
        one: why
        for one in frames.columns
        if (why := _tried(make, frames.without(set(frames.columns) - {one}), evaluation)[1])
    }
    problems = [
        f"{title}: Evidently fails on {one} ({why}); it is left out" for one, why in broken.items()
    ]
    rest = frames.without(set(broken))
    if broken and rest.columns:
        snapshot, problem = _tried(make, rest, evaluation)
    if snapshot is None:
        problems.append(f"{title}: Evidently fails ({problem}); the report is made without it")
    return snapshot, problems


def _missing(name: str, frames: Frames) -> str:
    """Say what a preset needs and does not have; empty when it can run."""
    if name == REGRESSION:
        if not {PREDICTION, TARGET} <= set(frames.columns):
            return "there is no label within the limits; Evidently needs some"
        if min(len(frames.current), len(frames.reference)) < MIN_ROWS:
            return f"fewer than {MIN_ROWS} labelled rows; Evidently needs more"
    return "" if frames.columns else "no column has values in both samples; Evidently needs some"


def _tried(make: Make, frames: Frames, evaluation: _Evaluation) -> tuple[Snapshot | None, str]:
    """Return a snapshot, or why there is none.

    Whatever Evidently raises concerns this preset alone: its errors have no common type.
    """
    try:
        snapshot = make(frames, evaluation)
        # Drawn and packed here, so that nothing fails later on.
        snapshot.dumps()
    except Exception as error:
        LOG.debug("a preset of Evidently failed", exc_info=error)
        return None, " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return snapshot, ""
