"""An observation: would the version before have answered the champion's rows better?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_domain.figures import figure
from taxi_domain.runs import RunResult
from taxi_schema.compatibility import meanings
from taxi_schema.schema import Schema
from taxi_store.log.labelled import LabelledRow, labelled_pieces
from taxi_store.log.malformed import Unreadable
from taxi_store.registry.artifacts import Artifact, ArtifactError
from taxi_store.registry.entries import UnknownVersionError
from taxi_train.artifact.onnx_model import check_graph, schema_of
from taxi_train.data.quality import DataQualityError
from taxi_train.data.rows import within_limits
from taxi_train.data.views import views_of
from taxi_train.runs import gate
from taxi_train.runs.answers import answers_of
from taxi_train.runs.gate import Answers, GateRules, GateVerdict
from taxi_train.runs.run import Run

Floats = NDArray[np.float64]

#: What is wrong with a version, as a word of the report.
UNUSABLE: Final = "VersionUnusable"
OTHER_MEANING: Final = "OtherMeaning"


@dataclass(frozen=True, slots=True)
class Observation:
    """What is compared.

    Attributes:
        champion: Version that serves; its answers are those of the log.
        before: The champion before it; it answers the same rows now.
        since: Only rows answered at or after this time.
        max_rows: Most rows of the log that are used.
    """

    champion: str
    before: str
    since: datetime
    max_rows: int


def observe(run: Run, what: Observation, rules: GateRules) -> RunResult:
    """Compare the realised error of a champion with that of the version before, and report.

    Args:
        run: Where it is recorded.
        what: Versions and rows.
        rules: What going back has to gain; slices are not looked at.

    Raises:
        DataQualityError: one of the versions cannot be used; it is reported before.
        TaxiError: a store failed.
    """
    if (finished := run.begin("observe", what.champion, what.before)) is not None:
        return finished
    with run.reported() as known:
        known.champion = what.champion
        schema = schema_of(_loaded(run, what.champion))
        before = _loaded(run, what.before)
        if changed := meanings(schema_of(before), schema):
            raise DataQualityError(
                OTHER_MEANING, len(changed),
                f"rows and labels mean something else by {what.before}: {'; '.join(changed)}",
            )  # fmt: skip
        unreadable = Unreadable()
        pieces = labelled_pieces(
            run.database, run.model, limit=what.max_rows, unreadable=unreadable, since=what.since,
            version=what.champion,
        )  # fmt: skip
        found, numbers = answers(pieces, schema, before)
    known.numbers.update(numbers, unreadable_documents=unreadable.count)
    return run.finish(compare(found, rules), known)


def compare(found: Answers, rules: GateRules) -> GateVerdict:
    """Ask the gate the other way round: is the version before better than the champion?

    Args:
        found: The champion's logged answers, and as the candidate's those of the version before.
        rules: What the version before must reach.
    """
    rows = len(found.target)
    if rows < rules.min_labelled_rows:
        message = f"{rows} labelled rows of the champion, {rules.min_labelled_rows} are needed"
        return GateVerdict(RunResult.TOO_FEW_LABELS, message, {"evaluated_rows": rows})
    verdict = gate.compare(found, rules)
    if "gain" not in verdict.numbers:
        # It could not take the champion's place.
        lost = int(np.count_nonzero(~np.isfinite(found.candidate)))
        message = f"the version before has no finite answer for {lost} of {rows} labelled rows"
        return GateVerdict(RunResult.NOT_WORSE, message, verdict.numbers)
    is_worse = verdict.result is RunResult.BETTER
    return GateVerdict(
        RunResult.WORSE if is_worse else RunResult.NOT_WORSE,
        _message(verdict.numbers, rules, found.unit),
        {_NAMES.get(name, name): number for name, number in verdict.numbers.items()},
    )


#: Figures of the gate that have another name here.
_NAMES: Final = {"candidate_rmse": "before_rmse"}


def _message(numbers: Mapping[str, float], rules: GateRules, unit: str) -> str:
    of_unit = f" {unit}" if unit else ""
    return (
        f"RMSE {figure(numbers['champion_rmse'])} since the promotion against "
        f"{figure(numbers['candidate_rmse'])}{of_unit} of the version before on the same "
        f"{numbers['evaluated_rows']:.0f} labelled rows: going back gains {numbers['gain']:.1%} "
        f"({numbers['ci_low']:.1%} to {numbers['ci_high']:.1%}); "
        f"{rules.min_relative_gain:.1%} is asked"
    )


def answers(
    pieces: Iterable[Sequence[LabelledRow]], schema: Schema, before: Artifact
) -> tuple[Answers, dict[str, float]]:
    """Return both versions' answers for the same rows, and figures for the report.

    Args:
        pieces: Labelled rows of the champion, as `labelled_pieces` gives them.
        schema: The champion's; its limits say which labels errors count.
        before: The version before, which sees the rows by its own schema.
    """
    logged: list[Floats] = []
    views = views_of([schema, schema_of(before)], _kept(pieces, logged))
    realised = np.concatenate([*reversed(logged), np.empty(0)])
    mask = within_limits(schema, views.of(schema))
    views, realised = views[mask], realised[mask]
    rows = views.of(schema)
    numbers: dict[str, float] = {
        "labelled_rows": len(rows), "outside_rows": len(mask) - len(rows),
    }  # fmt: skip
    found = Answers(rows.target, realised, answers_of(before, views), schema.target.unit)
    return found, numbers


def _kept(
    pieces: Iterable[Sequence[LabelledRow]], logged: list[Floats]
) -> Iterator[Sequence[LabelledRow]]:
    """Hand pieces of the log on, and keep the answers that it has: columns have none."""
    for piece in pieces:
        logged.append(np.array([row.record.prediction for row in piece], np.float64))
        yield piece


def _loaded(run: Run, version: str) -> Artifact:
    """Return a version that can answer.

    Raises:
        DataQualityError: there is none of this name, or it cannot be used.
    """
    try:
        artifact = run.registry.load(version)
        check_graph(artifact.files)
    except (ArtifactError, UnknownVersionError) as error:
        message = f"{version} cannot be compared with: {error}"
        raise DataQualityError(UNUSABLE, 0, message) from error
    return artifact
