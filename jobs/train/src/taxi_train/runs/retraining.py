"""A run of the train Job: a candidate from logged and labelled rides, and its verdict."""

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
from taxi_domain.models import ONNX_FILE, REFERENCE_FILE, Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_store.connection import Document
from taxi_store.log.labelled import LabelledRide, labelled_rides
from taxi_store.log.malformed import Unreadable
from taxi_store.registry.artifacts import Artifact, ArtifactError
from taxi_store.registry.entries import UnknownVersionError
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore
from taxi_train.artifact import builder as packing
from taxi_train.artifact.onnx_model import GraphError, OnnxModel, check_graphs, check_limits
from taxi_train.data import quality
from taxi_train.data.quality import DataQualityError, QualityRules
from taxi_train.data.rides import Rides, of_log, within_limits
from taxi_train.data.slices import slices_of
from taxi_train.data.split import Split, split
from taxi_train.fitting import candidates
from taxi_train.runs import gate
from taxi_train.runs.gate import GateRules, GateVerdict

Floats = NDArray[np.float64]

logger = logging.getLogger(__name__)

#: Entry of a card: the answer time of the newest ride of the log that the model has seen.
LOG_UNTIL = "log_until"


@dataclass(frozen=True, slots=True)
class RunRules:
    """What a run may use, and what its candidate must reach."""

    max_rides: int = candidates.MAX_RIDES
    gate: GateRules = field(default_factory=GateRules)
    quality: QualityRules = field(default_factory=QualityRules)


def retrain(
    database: Database[Document],
    model: str,
    run_id: str,
    rules: RunRules,
    now: Callable[[], datetime],
) -> RunResult:
    """Make a candidate, compare it with the champion, and report.

    Raises:
        DataQualityError: the rides must not be trained on, or there is nothing to compare
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
        labelled = _labelled(database, model, (champion,), rules, known.numbers)
        everything = of_log(labelled)
        unseen = _unseen(champion, everything)
        rides = within_limits(unseen)
        known.numbers.update(_rows(rides, unseen))
        logger.info(
            "%d labelled rides that %s has not seen; %d more are outside of the limits",
            len(rides), champion.version, len(unseen) - len(rides),
        )  # fmt: skip
        parts = split(rides, rules.gate.min_labelled_rows)
        if len(labelled) >= rules.gate.min_labelled_rows + rules.quality.min_rows:
            quality.check_limits(everything, rules.quality)
        if too_few := _too_few(parts, rules):
            runs.finish(
                run_id, RunResult.TOO_FEW_LABELS, now=now(), message=too_few,
                champion=champion.version, numbers=known.numbers,
            )  # fmt: skip
            logger.info(too_few)
            return RunResult.TOO_FEW_LABELS
        old = packing.reference_rides(champion.files[REFERENCE_FILE])
        quality.check(parts, old, rules.quality)
    newest = float(np.max(parts.choose.answered))
    card: dict[str, Any] = {LOG_UNTIL: datetime.fromtimestamp(newest, UTC).isoformat()}
    candidate, chosen = candidates.make_candidate(old, parts, rules.max_rides, **card)
    version = registry.add(
        candidate, model=model, state=ModelState.CANDIDATE, now=now(), run_id=run_id
    )
    verdict = compare(champion, candidate, parts.gate, rules.gate)
    numbers = {
        **verdict.numbers, **chosen, **known.numbers, **_beside(registry, model, parts.gate),
        "trained_rows": len(parts.fit) + len(parts.choose),
    }  # fmt: skip
    if verdict.result is not RunResult.BETTER:
        registry.set_state(version, ModelState.REJECTED, reason=verdict.message)
    runs.finish(
        run_id, verdict.result, now=now(), message=verdict.message, candidate=version,
        champion=champion.version, numbers=numbers, slices=verdict.slices,
    )  # fmt: skip
    logger.info("%s: %s", verdict.result, verdict.message)
    return verdict.result


def evaluate(
    database: Database[Document],
    model: str,
    run_id: str,
    candidate: str,
    rules: RunRules,
    now: Callable[[], datetime],
) -> RunResult:
    """Compare a candidate with the champion again, on the newest rides that neither saw.

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
    numbers: dict[str, float] = {}
    everything = of_log(_labelled(database, model, (champion, other), rules, numbers))
    unseen = _unseen(other, _unseen(champion, everything))
    rides = within_limits(unseen)
    verdict = compare(champion, other, rides, rules.gate)
    runs.finish(
        run_id, verdict.result, now=now(), message=verdict.message, candidate=candidate,
        champion=champion.version, slices=verdict.slices,
        numbers={
            **verdict.numbers, **numbers, **_rows(rides, unseen), **_beside(registry, model, rides),
        },
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


def _rows(rides: Rides, labelled: Rides) -> dict[str, float]:
    """Return how many labelled rides are used, and how many are outside of the limits."""
    return {"labelled_rows": len(rides), "outside_rows": len(labelled) - len(rides)}


def _too_few(parts: Split, rules: RunRules) -> str:
    """Say what labelled rides are missing; empty when there are enough to fit and to compare."""
    fit, compared = rules.quality.min_rows, rules.gate.min_labelled_rows
    if len(parts.fit) >= fit and len(parts.gate) >= compared:
        return ""
    rows = len(parts.fit) + len(parts.choose) + len(parts.gate)
    return (
        f"{rows} labelled rides since the champion: {len(parts.fit)} to fit on and "
        f"{len(parts.gate)} to compare on; {fit} and {compared} are needed"
    )


def compare(champion: Artifact, candidate: Artifact, rides: Rides, rules: GateRules) -> GateVerdict:
    """Let both answer the same rides and ask the gate.

    A candidate must also answer what the champion may not: rides at the limits of its inputs.
    """
    try:
        check_limits(candidate.files)
    except GraphError as error:
        return GateVerdict(RunResult.NOT_BETTER, f"the candidate is not fit to serve: {error}", {})
    return gate.compare(
        rides.duration, _answers(champion, rides), _answers(candidate, rides), rules,
        slices_of(rides),
    )  # fmt: skip


def _answers(model: Artifact, rides: Rides) -> Floats:
    """Return a model's answers, shape (n,), minutes."""
    return OnnxModel(model.files[ONNX_FILE]).predict(rides.features()) if rides else np.empty(0)


def _beside(registry: Registry, model: str, rides: Rides) -> dict[str, float]:
    """Return the fallback's RMSE on the gate's rides, minutes: what changing to it would cost."""
    alias = registry.alias(model, Alias.FALLBACK)
    if alias is None or not rides:
        return {}
    try:
        fallback = registry.load(alias.version)
        check_graphs(fallback.files)
        answers = _answers(fallback, rides)
    except (ArtifactError, UnknownVersionError) as error:
        # It is said beside the verdict and must not stop a better champion.
        logger.warning("the fallback %s cannot be compared: %s", alias.version, error)
        return {}
    rmse = float(np.sqrt(np.mean((answers - rides.duration) ** 2)))
    if not np.isfinite(rmse):
        logger.warning("the fallback %s has no finite answer for some rides", alias.version)
        return {}
    return {"fallback_rmse": rmse}


def _labelled(
    database: Database[Document],
    model: str,
    seen_by: Sequence[Artifact],
    rules: RunRules,
    numbers: dict[str, float],
) -> list[LabelledRide]:
    """Read rides of the log that came after those that the models have seen.

    What cannot be read is left out, and told in the run's numbers.
    """
    unreadable = Unreadable()
    seen = [one.card[LOG_UNTIL] for one in seen_by if LOG_UNTIL in one.card]
    since = max(map(datetime.fromisoformat, seen), default=None)
    found = labelled_rides(
        database, model, limit=rules.max_rides, unreadable=unreadable, since=since
    )
    numbers["unreadable_documents"] = unreadable.count
    if unreadable.count:
        logger.warning("%d documents of the log cannot be read", unreadable.count)
    return found


def _champion(registry: Registry, model: str) -> Artifact:
    alias = registry.alias(model, Alias.CHAMPION)
    if alias is None:
        raise TaxiError(f"model {model}: has no champion yet; run `taxi-train bootstrap` first")
    try:
        champion = registry.load(alias.version)
        check_graphs(champion.files)
    except (ArtifactError, UnknownVersionError) as error:
        raise DataQualityError(
            "ChampionUnusable", 0,
            f"the champion {alias.version} cannot be compared with: {error}; run `taxi-train "
            "bootstrap`, or promote another version",
        ) from error  # fmt: skip
    return champion


def _unseen(seen_by: Artifact, rides: Rides) -> Rides:
    """Leave out the rides of the log that a model was trained on or chosen by."""
    until = seen_by.card.get(LOG_UNTIL)
    if until is None:
        return rides
    return rides[rides.answered > datetime.fromisoformat(until).timestamp()]
