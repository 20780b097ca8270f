"""A run of the train Job: a candidate from logged and labelled rows, and its verdict."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_domain.errors import TaxiError
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.columns.slices import slices_of
from taxi_schema.compatibility import meanings
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact, ArtifactError
from taxi_store.registry.entries import UnknownVersionError
from taxi_train.artifact.builder import after_champion, reference_rows
from taxi_train.artifact.onnx_model import (
    GraphError,
    check_graph,
    check_limits,
    schema_of,
)
from taxi_train.data import quality
from taxi_train.data.quality import DataQualityError, QualityRules
from taxi_train.data.rows import within_limits
from taxi_train.data.split import Split, split
from taxi_train.data.views import Views, last
from taxi_train.fitting.candidates import MAX_ROWS, Trainer
from taxi_train.fitting.estimators import Candidates, default_candidates
from taxi_train.runs import gate
from taxi_train.runs.answers import answers_of
from taxi_train.runs.gate import Answers, GateRules, GateVerdict
from taxi_train.runs.run import Run
from taxi_train.runs.schema_changes import client_changes, fallback_changes
from taxi_train.runs.unseen import LOG_UNTIL, unseen_rows

Floats = NDArray[np.float64]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRules:
    """What a run may use, and what its candidate must reach.

    Attributes:
        max_rows: Most rows of the log that are used, and that are fitted on.
        gate: What the candidate must reach.
        quality: What the rows must be like.
        schema: Of the candidate; None is the champion's.
        candidates: Makes the estimators that are tried.
    """

    max_rows: int = MAX_ROWS
    gate: GateRules = field(default_factory=GateRules)
    quality: QualityRules = field(default_factory=QualityRules)
    schema: Schema | None = None
    candidates: Candidates = default_candidates


def retrain(run: Run, rules: RunRules) -> RunResult:
    """Make a candidate, compare it with the champion, and report.

    Raises:
        DataQualityError: the rows must not be trained on, or there is nothing to compare
            with; it is reported before.
        TaxiError: there is no champion, or a store failed.
    """
    if (finished := run.begin("train")) is not None:
        return finished
    with run.reported() as known:
        champion = _champion(run)
        known.champion = champion.version
        fallback = _fallback(run)
        schema = rules.schema or schema_of(champion)
        if (other := _other_meaning(champion, schema)) is not None:
            return run.finish(other, known)
        found = unseen_rows(run, schema, (champion,), fallback, rules.max_rows)
        known.numbers.update(found.numbers)
        parts = split(found.rows, rules.gate.min_labelled_rows)
        if len(found.everything) >= rules.gate.min_labelled_rows + rules.quality.min_rows:
            quality.check_limits(schema, found.everything, rules.quality)
        if (too_few := _too_few(parts, rules)) is not None:
            return run.finish(too_few, known)
        old = _reference(schema, champion)
        quality.check(schema, parts, old, rules.quality)
    usable = old[within_limits(schema, old)]
    candidate, chosen = _candidate(run, usable, parts, champion, rules)
    compared = last(found.views, len(parts.gate))
    verdict = compare(champion, candidate, compared, rules.gate, fallback)
    known.numbers.update(chosen, **_beside(fallback, compared, parts.gate))
    if verdict.result is not RunResult.BETTER:
        run.registry.set_state(candidate.version, ModelState.REJECTED, reason=verdict.message)
    return run.finish(verdict, known, candidate.version)


def evaluate(run: Run, candidate: str, rules: RunRules) -> RunResult:
    """Compare a candidate with the champion again, on the newest rows that neither saw.

    Raises:
        DataQualityError: the champion cannot be used; it is reported before.
        TaxiError: there is no champion or no such candidate, or a store failed.
    """
    if (finished := run.begin("evaluate", candidate)) is not None:
        return finished
    with run.reported() as known:
        champion = _champion(run)
        known.champion = champion.version
        other = run.registry.load(candidate)
        if (refused := _other_meaning(champion, schema_of(other))) is not None:
            return run.finish(refused, known, candidate)
    fallback = _fallback(run)
    found = unseen_rows(run, schema_of(other), (champion, other), fallback, rules.max_rows)
    verdict = compare(champion, other, found.views, rules.gate, fallback)
    known.numbers.update(found.numbers, **_beside(fallback, found.views, found.rows))
    return run.finish(verdict, known, candidate)


def _candidate(
    run: Run, old: LabelledRows, parts: Split, champion: Artifact, rules: RunRules
) -> tuple[Artifact, dict[str, float]]:
    """Train a candidate and put it into the registry; return it with figures of the training."""
    schema = rules.schema or schema_of(champion)
    newest = float(np.max(parts.choose.answered))
    card: dict[str, Any] = {LOG_UNTIL: datetime.fromtimestamp(newest, UTC).isoformat()}
    trainer = Trainer(schema, rules.candidates, rules.max_rows)
    made, chosen = trainer.make_candidate(old, parts, **card)
    candidate = after_champion(schema, made, champion)
    run.registry.add(
        candidate, model=run.model, state=ModelState.CANDIDATE, now=run.now(), run_id=run.id
    )
    return candidate, {**chosen, "trained_rows": len(parts.fit) + len(parts.choose)}


def _other_meaning(champion: Artifact, schema: Schema) -> GateVerdict | None:
    """Say why the log's rows and labels mean something else by a schema; None when they do not."""
    changed = meanings(schema_of(champion), schema)
    if not changed:
        return None
    return GateVerdict(
        RunResult.SCHEMA_CHANGED,
        f"the log's rows and labels are of the champion's schema and mean something else by the "
        f"candidate's: {'; '.join(changed)}. Nothing was compared: make a model from rows of the "
        "new meaning with `taxi-train fit`, or under another model name with `taxi-train "
        "bootstrap`",
        {},
    )


def _too_few(parts: Split, rules: RunRules) -> GateVerdict | None:
    """Say what labelled rows are missing; None when there are enough to fit and to compare."""
    fit, compared = rules.quality.min_rows, rules.gate.min_labelled_rows
    if len(parts.fit) >= fit and len(parts.gate) >= compared:
        return None
    rows = len(parts.fit) + len(parts.choose) + len(parts.gate)
    return GateVerdict(
        RunResult.TOO_FEW_LABELS,
        f"{rows} labelled rows since the champion: {len(parts.fit)} to fit on and "
        f"{len(parts.gate)} to compare on; {fit} and {compared} are needed",
        {},
    )


def compare(
    champion: Artifact,
    candidate: Artifact,
    views: Views,
    rules: GateRules,
    fallback: Sequence[Artifact] = (),
) -> GateVerdict:
    """Let both answer the same rows and ask the gate.

    A candidate must also answer what the champion may not: rows at the limits of its inputs. One
    that is better is for a person to promote when the champion's clients would notice its schema,
    or the fallback would refuse rows that suit it.
    """
    try:
        check_limits(candidate.files)
    except GraphError as error:
        return GateVerdict(RunResult.NOT_BETTER, f"the candidate is not fit to serve: {error}", {})
    schema = schema_of(candidate)
    rows = views.of(schema)
    answers = Answers(
        rows.target, answers_of(champion, views), answers_of(candidate, views), schema.target.unit
    )
    verdict = gate.compare(answers, rules, slices_of(schema, rows.columns, rows.event_times))
    if verdict.result is not RunResult.BETTER:
        return verdict
    served = schema_of(champion)
    changed = client_changes(served, schema)
    for other in fallback:
        changed += fallback_changes(served, schema, schema_of(other), other.version)
    if not changed:
        return verdict
    message = (
        f"{'. '.join(changed)}. `taxi-models promote {candidate.version} --accept-schema-change` "
        f"takes it all the same. {verdict.message}"
    )
    return GateVerdict(RunResult.SCHEMA_CHANGED, message, verdict.numbers, verdict.slices)


def _fallback(run: Run) -> tuple[Artifact, ...]:
    """Return the fallback, if there is one that can be used."""
    alias = run.registry.alias(run.model, Alias.FALLBACK)
    if alias is None:
        return ()
    try:
        fallback = run.registry.load(alias.version)
        check_graph(fallback.files)
    except (ArtifactError, UnknownVersionError) as error:
        # It is said beside the verdict and must not stop a better champion.
        logger.warning("the fallback %s cannot be compared: %s", alias.version, error)
        return ()
    return (fallback,)


def _beside(fallback: Sequence[Artifact], views: Views, rows: LabelledRows) -> dict[str, float]:
    """Return the fallback's RMSE on the gate's rows: what changing to it would cost."""
    if not fallback or not len(rows):
        return {}
    (artifact,) = fallback
    try:
        rmse = float(np.sqrt(np.mean((answers_of(artifact, views) - rows.target) ** 2)))
    except GraphError as error:
        logger.warning("the fallback %s cannot be compared: %s", artifact.version, error)
        return {}
    if not np.isfinite(rmse):
        logger.warning("the fallback %s has no finite answer for some rows", artifact.version)
        return {}
    return {"fallback_rmse": rmse}


def _reference(schema: Schema, champion: Artifact) -> LabelledRows:
    """Return the champion's reference by the candidate's schema.

    Raises:
        DataQualityError: it cannot be read; it is reported.
    """
    try:
        return reference_rows(schema, champion)
    except ArtifactError as error:
        raise _unusable(champion.version, error) from error


def _champion(run: Run) -> Artifact:
    alias = run.registry.alias(run.model, Alias.CHAMPION)
    if alias is None:
        raise TaxiError(f"model {run.model}: has no champion yet; run `taxi-train bootstrap` first")
    try:
        champion = run.registry.load(alias.version)
        check_graph(champion.files)
    except (ArtifactError, UnknownVersionError) as error:
        raise _unusable(alias.version, error) from error
    return champion


def _unusable(version: str, error: TaxiError) -> DataQualityError:
    return DataQualityError(
        "ChampionUnusable", 0,
        f"the champion {version} cannot be compared with: {error}; run `taxi-train "
        "bootstrap`, or promote another version",
    )  # fmt: skip
