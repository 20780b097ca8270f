"""A human's tool over the model registry: `taxi-models`, also `taxi-train models`.

It needs MongoDB only, so it works when the operator is away, and safely beside it: aliases move
by compare-and-set. Exit codes: 0 done, 1 failed, 2 usage, 3 somebody else was faster.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_domain.models import Alias, ModelState
from taxi_runtime.process import tool, user_of
from taxi_runtime.settings import read
from taxi_store.admin.audit import Action
from taxi_store.admin.noting import Asked, noted
from taxi_store.connection import Document, connect, database_of
from taxi_store.registry.artifacts import MAX_ARCHIVE_BYTES, pack, unpack
from taxi_store.registry.entries import AliasConflictError, ModelEntry, StateConflictError
from taxi_store.registry.garbage_collection import Keep, collect, superfluous
from taxi_store.registry.registry import Registry
from taxi_train.printing import Output, print_found
from taxi_train.promotable import (
    check_artifact,
    check_schema,
    is_better_but_for_its_schema,
    refusal_of,
    verify_version,
)
from taxi_train.settings import Settings

EXIT_CONFLICT: Final = 3
_CODES: Final[Mapping[type[BaseException], int]] = {AliasConflictError: EXIT_CONFLICT}
_BY: Final = "taxi-models"
#: A hundred years.
_MAX_AGE_HOURS: Final = 876_000
#: What `kubectl rollout restart` sets. A template with the version alone may be there already.
_RESTARTED_ANNOTATION: Final = "kubectl.kubernetes.io/restartedAt"

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="List, check and move the versions of the model.",
)  # fmt: skip


Version = Annotated[str, typer.Argument(help="Model version: 12 hex digits.")]
AcceptChange = Annotated[
    bool,
    typer.Option(
        "--accept-schema-change",
        help="Although clients of what serves would notice, or the fallback refuse their rows.",
    ),
]
As = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]
Which = Annotated[Alias, typer.Option("--alias", help="Which alias.")]


By = Annotated[str, typer.Option("--by", help="Who asks, for the audit; the user's name else.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the audit.")]
#: A rollback does not wait for the rights of an audit.
_noted: Final = partial(noted, is_required=False)
#: Versions that the audit names.
_MAX_TOLD: Final = 100


@app.command("list")
def list_versions(output: As = Output.TABLE) -> None:
    """List all versions, newest first, and which aliases point at them."""
    with _registry() as (registry, _, model):
        aliases = _aliases(registry, model)
        rows = [_row(one, aliases) for one in registry.list(model)]
    print_found(rows, output)


@app.command()
def show(version: Version, output: As = Output.TABLE) -> None:
    """Show what is known of a version: state, digest, card."""
    with _registry() as (registry, _, model):
        entry = registry.get(version)
        found = {**_row(entry, _aliases(registry, model)), "digest": entry.digest,
                 "run": entry.run_id, "reason": entry.reason, "card": entry.card}  # fmt: skip
    if output is Output.TABLE:
        found["card"] = json.dumps(entry.card, sort_keys=True)
        print_found([{"field": name, "value": value} for name, value in found.items()], output)
    else:
        print_found(found, output)


@app.command()
def verify(version: Version) -> None:
    """Check a version: size, digest, format, and that its graph answers, also at the limits."""
    with _registry() as (registry, _, _):
        verify_version(registry, version)
    typer.echo(f"{version}: is whole")


@app.command()
def promote(  # noqa: PLR0913, PLR0917 - one for each option
    version: Version,
    alias: Which = Alias.CHAMPION,
    expect: Annotated[str, typer.Option(help="Only when the alias points there now.")] = "",
    force: Annotated[bool, typer.Option(help="Although it is not Accepted.")] = False,
    accept_schema_change: AcceptChange = False,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Let an alias point at a version; pods follow when they are started anew."""
    with _registry() as (registry, database, model):
        entry = verify_version(registry, version)
        if entry.state is not ModelState.ACCEPTED and not force:
            better = is_better_but_for_its_schema(database, entry)
            if not (better and accept_schema_change):
                raise refusal_of(entry, "--accept-schema-change" if better else "--force")
        if not accept_schema_change:
            check_schema(registry, model, alias, version)
        now = registry.alias(model, alias)
        asked = Asked(user_of(by), reason or "promoted by hand")
        with _noted(database, Action.PROMOTE, asked, {"model": model, "alias": alias}) as outcome:
            outcome.before = {"version": now.version if now else None}
            expected = expect or (now.version if now else None)
            move(registry, model, alias, to=version, expected=expected)
            outcome.after = {"version": version}


@app.command()
def rollback(
    alias: Which = Alias.CHAMPION,
    accept_schema_change: AcceptChange = False,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Let an alias point at the version that it pointed at before; a second time: forward again."""
    with _registry() as (registry, database, model):
        now = registry.alias(model, alias)
        if now is None or now.previous is None:
            raise TaxiError(f"alias {alias}: pointed at nothing before; promote a version")
        entry = verify_version(registry, now.previous, served=True)
        if entry.state is ModelState.REJECTED:
            raise refusal_of(entry)
        if not accept_schema_change:
            check_schema(registry, model, alias, now.previous)
        asked = Asked(user_of(by), reason or "rolled back by hand")
        with _noted(database, Action.ROLL_BACK, asked, {"model": model, "alias": alias}) as outcome:
            outcome.before = {"version": now.version}
            move(registry, model, alias, to=now.previous, expected=now.version)
            outcome.after = {"version": now.previous}


@app.command("export")
def export_version(version: Version, file: Path) -> None:
    """Write a version's archive to a file."""
    with _registry() as (registry, _, _):
        archive = pack(registry.load(version).files)
    with tool(_CODES):
        _write(file, archive)
    typer.echo(f"{file}: {len(archive)} bytes of {version}")


@app.command("import")
def import_version(file: Path, by: By = "", reason: Reason = "") -> None:
    """Put an exported archive into the registry, as a candidate."""
    with _registry() as (registry, database, model):
        try:
            if file.stat().st_size > MAX_ARCHIVE_BYTES:
                raise TaxiError(f"{file}: is larger than {MAX_ARCHIVE_BYTES} bytes")
            artifact = unpack(file.read_bytes())
        except OSError as error:
            raise TaxiError(f"{file}: cannot be read ({error})") from error
        check_artifact(artifact.files)
        asked = Asked(user_of(by), reason or "imported by hand")
        with _noted(database, Action.IMPORT, asked, {"model": model}) as outcome:
            version = registry.add(
                artifact, model=model, state=ModelState.CANDIDATE, now=datetime.now(UTC)
            )
            outcome.after = {"version": version}
        typer.echo(f"{version}: is {registry.get(version).state}")


@app.command("pack")
def pack_model(  # noqa: PLR0913, PLR0917 - one for each option
    schema: Annotated[Path, typer.Option(help="The schema's TOML.")],
    onnx: Annotated[Path, typer.Option(help="The model's graph.")],
    reference: Annotated[Path, typer.Option(help="Labelled rows, parquet or CSV.")],
    prediction_column: Annotated[
        str, typer.Option(help="Column with out-of-fold predictions; else the graph is asked.")
    ] = "",
    kind: Annotated[str, typer.Option(help="What the model is, for the card.")] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="Archive to write; without it, into the registry.")
    ] = None,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Make a version of a graph of one's own: an archive, or a candidate in the registry."""
    from taxi_train.artifact.own_graph import UNSEEN_REFERENCE, OwnGraph, pack_graph

    with tool(_CODES):
        made = pack_graph(OwnGraph(schema, onnx, reference, prediction_column, kind))
        if not prediction_column:
            print(f"warning: {reference}: {UNSEEN_REFERENCE}", file=sys.stderr)
        metrics = made.card["metrics"]
        typer.echo(f"{made.version}: RMSE {metrics['rmse']} on {metrics['rows']} rows")
        if out is not None:
            _write(out, pack(made.files))
            typer.echo(f"{out}: import it with `taxi-models import`")
            return
    with _registry() as (registry, database, model):
        asked = Asked(user_of(by), reason or "packed by hand")
        with _noted(database, Action.PACK, asked, {"model": model}) as outcome:
            registry.add(made, model=model, state=ModelState.CANDIDATE, now=datetime.now(UTC))
            outcome.after = {"version": made.version}
        typer.echo(f"{made.version}: is {registry.get(made.version).state}")


@app.command()
def explain(
    row_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a row of the log.")],
    output: As = Output.TABLE,
) -> None:
    """Show what the model saw of a logged row, its features, the answer again, and the label."""
    from taxi_train.runs.explain import explanation

    with _registry() as (registry, database, _):
        explained = explanation(database, registry, row_id)
    if output is Output.JSON:
        print_found(explained, output)
        return
    print_found([{"field": name, "value": value} for name, value in explained.items()], output)


@app.command()
def gc(  # noqa: PLR0913, PLR0917 - one for each option
    keep: Annotated[
        int, typer.Option(min=1, max=100_000, help="So many of the newest versions stay.")
    ] = 10,
    protect: Annotated[list[str] | None, typer.Option(help="Versions that pods serve.")] = None,
    min_age_hours: Annotated[
        float, typer.Option(min=0, max=_MAX_AGE_HOURS, help="Younger ones stay.")
    ] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Remove versions that no alias, pod or recent run needs."""
    since = datetime.now(UTC) - timedelta(hours=min_age_hours)
    rules = Keep(keep, frozenset(protect or ()), since)
    with _registry() as (_, database, model):
        if dry_run:
            gone = [one.version for one in superfluous(database, model, rules)]
        else:
            asked = Asked(user_of(by), reason or "collected by hand")
            with _noted(database, Action.COLLECT, asked, {"model": model, "keep": keep}) as outcome:
                gone = collect(database, model, rules)
                outcome.counts["models"] = len(gone)
                outcome.before = {"versions": gone[:_MAX_TOLD]}
    for version in gone:
        typer.echo(f"{version}: {'would be removed' if dry_run else 'is removed'}")
    typer.echo(f"{len(gone)} versions")


def move(registry: Registry, model: str, alias: Alias, *, to: str, expected: str | None) -> None:
    """Let an alias point at a version, which is accepted by that, and say so."""
    now = datetime.now(UTC)
    moved = registry.move_alias(model, alias, to=to, expected=expected, by=_BY, now=now)
    # A mark that the garbage collection set meanwhile goes again: it looks at the alias next.
    with suppress(StateConflictError):
        registry.set_state(to, ModelState.ACCEPTED, reason=f"promoted with {_BY}")
    typer.echo(f"alias {alias}: points at {moved.version}, before at {moved.previous}")
    annotations = {MODEL_VERSION_ANNOTATION: to, _RESTARTED_ANNOTATION: now.isoformat()}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    typer.echo(f"pods follow with: kubectl patch deployment NAME -p '{json.dumps(patch)}'")


def _aliases(registry: Registry, model: str) -> dict[str, str]:
    found = ((alias, registry.alias(model, alias)) for alias in Alias)
    return {str(alias): entry.version for alias, entry in found if entry is not None}


def _row(entry: ModelEntry, aliases: dict[str, str]) -> dict[str, Any]:
    metrics = entry.card.get("metrics", {})
    return {
        "version": entry.version,
        "aliases": ",".join(name for name, version in aliases.items() if version == entry.version),
        "state": str(entry.state),
        "created": entry.created_at.isoformat(timespec="seconds"),
        "kind": entry.card.get("kind", ""),
        "rmse": metrics.get("rmse"),
        "unit": entry.card.get("unit", ""),
        "bytes": entry.size,
    }


def _write(file: Path, archive: bytes) -> None:
    try:
        file.write_bytes(archive)
    except OSError as error:
        raise TaxiError(f"{file}: cannot be written ({error}); name another file") from error


@contextmanager
def _registry() -> Iterator[tuple[Registry, Database[Document], str]]:
    """Connect; errors become one line and an exit code."""
    with tool(_CODES):
        settings = read(Settings)
        with connect(
            settings.mongodb_uri, app_name=_BY, timeout_seconds=settings.timeout_seconds
        ) as client:
            database = database_of(client)
            yield Registry(database), database, settings.model


if __name__ == "__main__":
    app()
