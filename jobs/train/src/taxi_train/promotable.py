"""Whether a version may be promoted by hand: it is whole, answers, and suits what is sent."""

from collections.abc import Mapping
from contextlib import suppress

from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.models import Alias, ModelState
from taxi_domain.runs import RunResult
from taxi_schema.schema import Schema
from taxi_store.connection import Document
from taxi_store.registry.artifacts import ArtifactError
from taxi_store.registry.entries import ModelEntry, UnknownVersionError, UnreadableEntryError
from taxi_store.registry.registry import Registry
from taxi_store.registry.runs import RunStore


def verify_version(registry: Registry, version: str, *, served: bool = False) -> ModelEntry:
    """Check a version as `check_artifact` does, and return its entry.

    Raises:
        TaxiError: it is not there, or not whole.
    """
    check_artifact(registry.load(version).files, served=served)
    return registry.get(version)


def check_artifact(files: Mapping[str, bytes], *, served: bool = False) -> None:
    """Check the graph; one that served already needs no answer at the limits of its inputs.

    Raises:
        TaxiError: what is wrong with it.
    """
    # What the other commands do not wait for.
    from taxi_train.artifact.onnx_model import check_graph, check_limits

    (check_graph if served else check_limits)(files)


def check_schema(registry: Registry, model: str, alias: Alias, version: str) -> None:
    """Refuse a version that rows of the champion's clients do not suit, or whose rows the fallback.

    An alias whose version cannot be read has no schema to compare with.

    Raises:
        TaxiError: it changes what they have to send.
    """
    from taxi_train.artifact.onnx_model import schema_of
    from taxi_train.runs.schema_changes import client_changes, fallback_changes

    def schema_now(of: Alias) -> tuple[Schema | None, str]:
        now = registry.alias(model, of)
        if now is None:
            return None, ""
        with suppress(ArtifactError, UnknownVersionError):
            return schema_of(registry.load(now.version)), now.version
        return None, now.version

    new, (champion, _) = schema_of(registry.load(version)), schema_now(Alias.CHAMPION)
    changed = client_changes(champion, new)
    if alias is Alias.CHAMPION:
        changed += fallback_changes(champion, new, *schema_now(Alias.FALLBACK))
    if changed:
        raise TaxiError(
            f"model version {version}: {'. '.join(changed)}; use --accept-schema-change to move "
            f"{alias} all the same"
        )


def is_better_but_for_its_schema(database: Database[Document], entry: ModelEntry) -> bool:
    """Tell whether the gate refused a version for its schema alone, and nothing else since."""
    if entry.state is not ModelState.REJECTED or entry.run_id is None:
        return False
    try:
        run = RunStore(database).get(entry.run_id)
    except UnreadableEntryError:
        return False
    return (
        run is not None
        and run.result is RunResult.SCHEMA_CHANGED
        and (run.candidate, run.message) == (entry.version, entry.reason)
    )


def refusal_of(entry: ModelEntry, option: str = "--force") -> TaxiError:
    """Return what is said of a version that is not accepted, and the option that takes it."""
    return TaxiError(
        f"model version {entry.version}: is {entry.state}: {entry.reason or 'not accepted'}; "
        f"promote it with {option} to use it all the same"
    )
