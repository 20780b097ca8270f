"""A run of the train Job: a candidate from logged and labelled rows, and its verdict."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.columns.slices import slices_of
from taxi_schema.compatibility import changes
from taxi_schema.schema import Schema
from taxi_store.connection import Document
from taxi_store.log.labelled import LabelledRow, labelled_rows
from taxi_store.log.malformed import Unreadable
from taxi_store.registry.artifacts import Artifact, ArtifactError
from taxi_store.registry.entries import UnknownVersionError
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_train.artifact.builder import reference_rows
from taxi_train.artifact.onnx_model import (
    GraphError,
    check_graph,
    check_limits,
    model_of,
    schema_of,
)
from taxi_train.data import quality
from taxi_train.data.quality import DataQualityError, QualityRules
from taxi_train.data.rows import features_of, within_limits
from taxi_train.data.split import Split, split
from taxi_train.data.views import Views, last, views_of
from taxi_train.fitting.candidates import MAX_ROWS, Trainer
from taxi_train.fitting.estimators import Candidates, default_candidates
from taxi_train.runs import gate
from taxi_train.runs.gate import GateRules, GateVerdict

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

logger = logging.getLogger(__name__)

#: Entry of a card: the answer time of the newest row of the log that the model has seen.
LOG_UNTIL = "log_until"


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


def retrain(
    database: Database[Document],
    model: str,
    run_id: str,
    rules: RunRules,
    now: Callable[[], datetime],
) -> RunResult:
    """Make a candidate, compare it with the champion, and report.

    Raises:
        DataQualityError: the rows must not be trained on, or there is nothing to compare
            with; it is reported before.
        TaxiError: there is no champion, or a store failed.
    """
    runs = RunStore(database)
    finished = _begin(runs, run_id, "train", [], now())
    if finished is not None:
        return finished
    registry = Registry(database)
    with _reported(runs, run_id, now) as known:
        champion = _champion(registry, model)
        known.champion = champion.version
        fallback = _fallback(registry, model)
        schema = rules.schema or schema_of(champion)
        labelled = _labelled(database, model, (champion,), rules, known.numbers)
        views = views_of([schema, *map(schema_of, (champion, *fallback))], labelled)
        everything = views.of(schema)
        views = views[_unseen(champion, everything)]
        unseen = views.of(schema)
        views = views[within_limits(schema, unseen)]
        rows = views.of(schema)
        known.numbers.update(_rows(rows, unseen))
        logger.info(
            "%d labelled rows that %s has not seen; %d more are outside of the limits",
            len(rows), champion.version, len(unseen) - len(rows),
        )  # fmt: skip
        parts = split(rows, rules.gate.min_labelled_rows)
        if len(labelled) >= rules.gate.min_labelled_rows + rules.quality.min_rows:
            quality.check_limits(schema, everything, rules.quality)
        if too_few := _too_few(parts, rules):
            runs.finish(
                run_id, RunResult.TOO_FEW_LABELS, now=now(), message=too_few,
                champion=champion.version, numbers=known.numbers,
            )  # fmt: skip
            logger.info(too_few)
            return RunResult.TOO_FEW_LABELS
        old = _reference(schema, champion)
        quality.check(schema, parts, old, rules.quality)
    newest = float(np.max(parts.choose.answered))
    card: dict[str, Any] = {LOG_UNTIL: datetime.fromtimestamp(newest, UTC).isoformat()}
    trainer = Trainer(schema, rules.candidates, rules.max_rows, model)
    candidate, chosen = trainer.make_candidate(old[within_limits(schema, old)], parts, **card)
    version = registry.add(
        candidate, model=model, state=ModelState.CANDIDATE, now=now(), run_id=run_id
    )
    compared = last(views, len(parts.gate))
    verdict = compare(champion, candidate, compared, rules.gate)
    numbers = {
        **verdict.numbers, **chosen, **known.numbers, **_beside(fallback, compared, parts.gate),
        "trained_rows": len(parts.fit) + len(parts.choose),
    }  # fmt: skip
    if verdict.result is not RunResult.BETTER:
        registry.set_state(version, ModelState.REJECTED, reason=verdict.message)
    report = _Report(runs, run_id, now)
    return report.finish(verdict, version, champion, numbers)


def evaluate(
    database: Database[Document],
    model: str,
    run_id: str,
    candidate: str,
    rules: RunRules,
    now: Callable[[], datetime],
) -> RunResult:
    """Compare a candidate with the champion again, on the newest rows that neither saw.

    Raises:
        DataQualityError: the champion cannot be used; it is reported before.
        TaxiError: there is no champion or no such candidate, or a store failed.
    """
    runs = RunStore(database)
    finished = _begin(runs, run_id, "evaluate", [candidate], now())
    if finished is not None:
        return finished
    registry = Registry(database)
    with _reported(runs, run_id, now):
        champion = _champion(registry, model)
    other = registry.load(candidate)
    schema = schema_of(other)
    fallback = _fallback(registry, model)
    numbers: dict[str, float] = {}
    labelled = _labelled(database, model, (champion, other), rules, numbers)
    views = views_of([schema, *map(schema_of, (champion, *fallback))], labelled)
    everything = views.of(schema)
    views = views[_unseen(champion, everything) & _unseen(other, everything)]
    unseen = views.of(schema)
    views = views[within_limits(schema, unseen)]
    rows = views.of(schema)
    verdict = compare(champion, other, views, rules.gate)
    numbers = {
        **verdict.numbers, **numbers, **_rows(rows, unseen), **_beside(fallback, views, rows),
    }  # fmt: skip
    return _Report(runs, run_id, now).finish(verdict, candidate, champion, numbers)


@dataclass(frozen=True, slots=True)
class _Report:
    """Where the verdict of a run goes."""

    runs: RunStore
    run_id: str
    now: Callable[[], datetime]

    def finish(
        self, verdict: GateVerdict, candidate: str, champion: Artifact, numbers: dict[str, float]
    ) -> RunResult:
        """Record a verdict."""
        changed = verdict.result is RunResult.SCHEMA_CHANGED
        self.runs.finish(
            self.run_id, verdict.result, now=self.now(), message=verdict.message,
            candidate=candidate, champion=champion.version, numbers=numbers,
            slices=verdict.slices, reason=str(verdict.result) if changed else "",
        )  # fmt: skip
        logger.info("%s: %s", verdict.result, verdict.message)
        return verdict.result


def _begin(
    runs: RunStore, run_id: str, kind: str, arguments: Sequence[str], now: datetime
) -> RunResult | None:
    """Record that a run begins; return its verdict when it has one: a verdict is final."""
    runs.start(run_id, kind, arguments, now)
    run = runs.get(run_id)
    if run is None or run.result is RunResult.PENDING:
        return None
    logger.info("run %s has its verdict already: %s", run_id, run.result)
    return run.result


@dataclass(slots=True)
class _Known:
    """What a report can say although the run comes to nothing."""

    champion: str | None = None
    numbers: dict[str, float] = field(default_factory=dict)


@contextmanager
def _reported(runs: RunStore, run_id: str, now: Callable[[], datetime]) -> Iterator[_Known]:
    """Report what is wrong with the data before the error goes on."""
    known = _Known()
    try:
        yield known
    except DataQualityError as error:
        runs.finish(
            run_id, RunResult.DATA_QUALITY_FAILED, now=now(), message=str(error),
            reason=error.reason, champion=known.champion,
            numbers={**known.numbers, error.reason: error.figure},
        )  # fmt: skip
        raise


def _rows(rows: LabelledRows, labelled: LabelledRows) -> dict[str, float]:
    """Return how many labelled rows are used, and how many are outside of the limits."""
    return {"labelled_rows": len(rows), "outside_rows": len(labelled) - len(rows)}


def _too_few(parts: Split, rules: RunRules) -> str:
    """Say what labelled rows are missing; empty when there are enough to fit and to compare."""
    fit, compared = rules.quality.min_rows, rules.gate.min_labelled_rows
    if len(parts.fit) >= fit and len(parts.gate) >= compared:
        return ""
    rows = len(parts.fit) + len(parts.choose) + len(parts.gate)
    return (
        f"{rows} labelled rows since the champion: {len(parts.fit)} to fit on and "
        f"{len(parts.gate)} to compare on; {fit} and {compared} are needed"
    )


def compare(champion: Artifact, candidate: Artifact, views: Views, rules: GateRules) -> GateVerdict:
    """Let both answer the same rows and ask the gate.

    A candidate must also answer what the champion may not: rows at the limits of its inputs. One
    whose schema the champion's clients would notice is refused whatever it gains.
    """
    try:
        check_limits(candidate.files)
    except GraphError as error:
        return GateVerdict(RunResult.NOT_BETTER, f"the candidate is not fit to serve: {error}", {})
    schema = schema_of(candidate)
    rows = views.of(schema)
    verdict = gate.compare(
        rows.target, _answers(champion, views), _answers(candidate, views), rules,
        slices_of(schema, rows.columns, rows.event_times), schema.target.unit,
    )  # fmt: skip
    changed = changes(schema_of(champion), schema)
    if not changed:
        return verdict
    message = (
        f"the schema is not compatible with the champion's: {'; '.join(changed)}. "
        f"`taxi-models promote --accept-schema-change` allows it. {verdict.message}"
    )
    return GateVerdict(RunResult.SCHEMA_CHANGED, message, verdict.numbers, verdict.slices)


def _answers(artifact: Artifact, views: Views) -> Floats:
    """Return a model's answers, shape (n,), in the target's unit."""
    model = model_of(artifact)
    rows = views.of(model.schema)
    return model.predict(features_of(model.schema, rows)) if len(rows) else np.empty(0)


def _fallback(registry: Registry, model: str) -> tuple[Artifact, ...]:
    """Return the fallback, if there is one that can be used."""
    alias = registry.alias(model, Alias.FALLBACK)
    if alias is None:
        return ()
    try:
        fallback = registry.load(alias.version)
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
        rmse = float(np.sqrt(np.mean((_answers(artifact, views) - rows.target) ** 2)))
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


def _labelled(
    database: Database[Document],
    model: str,
    seen_by: Sequence[Artifact],
    rules: RunRules,
    numbers: dict[str, float],
) -> list[LabelledRow]:
    """Read rows of the log that came after those that the models have seen.

    What cannot be read is left out, and told in the run's numbers.
    """
    unreadable = Unreadable()
    seen = [artifact.card[LOG_UNTIL] for artifact in seen_by if LOG_UNTIL in artifact.card]
    since = max(map(datetime.fromisoformat, seen), default=None)
    labelled = labelled_rows(
        database, model, limit=rules.max_rows, unreadable=unreadable, since=since
    )
    numbers["unreadable_documents"] = unreadable.count
    if unreadable.count:
        logger.warning("%d documents of the log cannot be read", unreadable.count)
    return labelled


def _champion(registry: Registry, model: str) -> Artifact:
    alias = registry.alias(model, Alias.CHAMPION)
    if alias is None:
        raise TaxiError(f"model {model}: has no champion yet; run `taxi-train bootstrap` first")
    try:
        champion = registry.load(alias.version)
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


def _unseen(seen_by: Artifact, rows: LabelledRows) -> Mask:
    """Leave out the rows of the log that a model was trained on or chosen by."""
    until = seen_by.card.get(LOG_UNTIL)
    if until is None:
        return np.ones(len(rows), np.bool_)
    unseen: Mask = rows.answered > datetime.fromisoformat(until).timestamp()
    return unseen
