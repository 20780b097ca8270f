"""First models of a file, as archives or in the registry."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from taxi_domain.errors import TaxiError
from taxi_domain.models import Alias, ModelState
from taxi_runtime.settings import read
from taxi_schema.schema import Schema
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.connection import connect, database_of
from taxi_store.registry.artifacts import Artifact, pack
from taxi_store.registry.registry import Registry
from taxi_train.fitting.candidates import Trainer
from taxi_train.fitting.own_code import candidates_of
from taxi_train.settings import FitSettings, Settings
from taxi_train.training_rows import training_rows

_BY: Final = "taxi-train fit"


def made(schema: Schema, data: Path) -> dict[Alias, Artifact]:
    """Fit champion and fallback on the rows of a file.

    Raises:
        TaxiError: the file cannot be read, or its rows must not be trained on.
    """
    trainer = Trainer(schema, candidates_of(read(FitSettings).candidates_module))
    rows = training_rows(schema, data)
    return {
        Alias.CHAMPION: trainer.train(rows), Alias.FALLBACK: trainer.train_fallback(rows),
    }  # fmt: skip


def write(artifacts: Mapping[Alias, Artifact], folder: Path) -> list[str]:
    """Write the archives into a folder and say what they are."""
    lines = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for alias, artifact in artifacts.items():
            path = folder / f"{alias}.tar"
            path.write_bytes(pack(artifact.files))
            lines.append(f"{path}: {artifact.version}")
    except OSError as error:
        raise TaxiError(f"{folder}: cannot be written ({error}); name another folder") from error
    return lines


def into_registry(artifacts: Mapping[Alias, Artifact]) -> list[str]:
    """Let the aliases point at the versions, unless something serves already; say what is done.

    What serves is replaced by `taxi-models promote` only, which looks at the schema.
    """
    settings = read(Settings)
    lines = []
    with connect(
        settings.mongodb_uri, app_name="taxi-train", timeout_seconds=settings.timeout_seconds
    ) as client:
        database = database_of(client)
        ensure_indexes(database)
        registry, now = Registry(database), datetime.now(UTC)
        for alias, artifact in artifacts.items():
            before = registry.alias(settings.model, alias)
            state = ModelState.CANDIDATE if before else ModelState.ACCEPTED
            version = registry.add(artifact, model=settings.model, state=state, now=now)
            if before is None:
                registry.move_alias(
                    settings.model, alias, to=version, expected=None, by=_BY, now=now
                )
                lines.append(f"{alias}: is {version}")
            else:
                lines.append(
                    f"{version}: is {state}; the {alias} stays {before.version} until "
                    f"`taxi-models promote {version} --alias {alias} --force`"
                )
    return lines
