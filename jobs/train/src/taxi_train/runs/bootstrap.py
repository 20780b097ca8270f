"""The first model and the fallback, so that an installation alone ends with a serving system."""

import logging
from collections.abc import Callable
from datetime import datetime

from pymongo.database import Database

from taxi_domain.models import Alias, ModelState
from taxi_schema.columns.rows import LabelledRows
from taxi_store.admin.audit import Action
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.admin.noting import Asked, noted
from taxi_store.connection import Document
from taxi_store.registry.artifacts import Artifact, ArtifactError
from taxi_store.registry.entries import AliasConflictError, AliasEntry, UnknownVersionError
from taxi_store.registry.registry import Registry
from taxi_train.artifact.onnx_model import check_graph, schema_of
from taxi_train.fitting.candidates import Trainer

_BY = "first-model"
_ASKED = Asked(_BY, "no version that a pod can load")
logger = logging.getLogger(__name__)


def bootstrap(
    database: Database[Document],
    model: str,
    trainer: Trainer,
    rows: Callable[[], LabelledRows],
    now: Callable[[], datetime],
) -> dict[Alias, str]:
    """Set the aliases that do not exist yet, or that no new pod can follow; what works stays.

    After an upgrade the registry may hold a format that is not read any more: a fresh first model
    serves until the next retraining, instead of pods that never start.

    Args:
        database: Where registry and indexes are.
        model: Name of the model.
        trainer: Makes the models.
        rows: Reads the training rows; asked only when a model is missing.
        now: Clock.

    Returns:
        The version of each alias.
    """
    ensure_indexes(database)
    registry = Registry(database)
    makers: dict[Alias, Callable[[LabelledRows], Artifact]] = {
        Alias.CHAMPION: trainer.train,
        Alias.FALLBACK: trainer.train_fallback,
    }
    versions: dict[Alias, str] = {}
    for alias, make in makers.items():
        entry = registry.alias(model, alias)
        if entry is not None and _works(registry, entry, trainer):
            versions[alias] = entry.version
            logger.info("%s stays %s", alias, entry.version)
            continue
        artifact = make(rows())
        versions[alias] = registry.add(artifact, model=model, state=ModelState.ACCEPTED, now=now())
        before = entry.version if entry else None
        if artifact.version != before:  # else only its archive was damaged
            what = {"model": model, "alias": alias}
            try:
                with noted(database, Action.PROMOTE, _ASKED, what, is_required=False) as outcome:
                    outcome.before = {"version": before}
                    registry.move_alias(
                        model, alias, to=artifact.version, expected=before, by=_BY, now=now()
                    )
                    outcome.after = {"version": artifact.version}
            except AliasConflictError as conflict:
                # Another pod of this Job was faster; its model is as good.
                versions[alias] = conflict.actual or artifact.version
        logger.info("first %s is %s: %s", alias, artifact.version, artifact.card["metrics"])
    return versions


def _works(registry: Registry, entry: AliasEntry, trainer: Trainer) -> bool:
    """Tell whether a new pod could load what an alias points at."""
    try:
        artifact = registry.load(entry.version)
        check_graph(artifact.files)
    except (ArtifactError, UnknownVersionError) as error:
        logger.warning(
            "%s %s cannot be used and is replaced: %s", entry.alias, entry.version, error
        )
        return False
    if schema_of(artifact).digest != trainer.schema.digest:
        logger.warning(
            "%s %s was made with another schema than the one given, and stays",
            entry.alias, entry.version,
        )  # fmt: skip
    return True
