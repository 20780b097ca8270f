"""The commands `taxi-data backup`, `backups`, `verify` and `restore`."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from taxi_domain.errors import TaxiError
from taxi_report.data.noting import By, Reason
from taxi_report.destination import Destination
from taxi_report.ending import endable
from taxi_report.options import opened, settings_of
from taxi_store.admin.audit import (
    MAX_LISTED,
    Action,
    AuditEntry,
    Stage,
    ensure_audit,
    record,
)
from taxi_store.admin.noting import Asked, note_done, noted

if TYPE_CHECKING:
    from taxi_report.backup.manifest import Manifest

EXIT_PROBLEMS: Final = 3
_MEGABYTE: Final = 1e6

To = Annotated[str, typer.Argument(metavar="DEST", help="Folder, or a URL: s3://bucket/prefix.")]
Name = Annotated[str, typer.Option(help="Of the backup; the newest by default.")]

logger = logging.getLogger("taxi_data")


class UnloadableError(TaxiError):
    """All is done, and a version that an alias points at cannot be loaded."""


class NotEmptyError(TaxiError):
    """A backup is not restored over what is there unless that is asked for."""


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the tool."""
    for one in (backup, backups, verify, restore):
        app.command()(one)


def backup(
    destination: To,
    keep: Annotated[int, typer.Option(min=0, help="Newest ones that stay; 0: all.")] = 0,
    by: By = "schedule",
    reason: Reason = "backup",
) -> None:
    """Back up all that MongoDB has, while it is written to."""
    with endable("backup", {UnloadableError: EXIT_PROBLEMS}):
        # Arrow takes a second to import.
        from taxi_report.backup.shelf import prune
        from taxi_report.backup.writing import Backup

        asked = Asked(by, reason)
        target = Destination(destination)
        began_at = datetime.now(UTC).replace(microsecond=0)
        with opened(settings_of()) as database:
            manifest = Backup(database, target, began_at).make()
            what = {"backup": manifest.name, "bytes": manifest.size}
            ensure_audit(database)
            record(
                database,
                AuditEntry(
                    datetime.now(UTC), Action.BACKUP, Stage.DONE, asked.by, asked.reason, what,
                    manifest.counts,
                ),
            )  # fmt: skip
            typer.echo(_told(manifest))
            removed = prune(target, keep, began_at)
            if removed:
                what = {"backups": list(removed[:MAX_LISTED]), "keep": keep}
                note_done(database, Action.PRUNE, asked, what, {"backups": len(removed)})
        for name in removed:
            typer.echo(f"{name}: removed, {keep} stay")
        _tell_problems(manifest.problems)


def backups(destination: To) -> None:
    """List the finished backups, oldest first."""
    with endable("list"):
        from taxi_report.backup.shelf import finished_in, load, names_in

        target = Destination(destination)
        finished = finished_in(target)
        for name in finished:
            typer.echo(_told(load(target, name)))
        for name in names_in(target):
            if name not in finished:
                typer.echo(f"{name}: not finished; it is being made, or was cut off")


def verify(destination: To, name: Name = "") -> None:
    """Read a backup and compare all of it with its manifest."""
    with endable("check"):
        from taxi_report.backup.restoring import check
        from taxi_report.backup.shelf import load

        target = Destination(destination)
        manifest = load(target, name)
        check(target, manifest)
        typer.echo(f"{_told(manifest)}; all parts are as its manifest says")


def restore(
    destination: To,
    name: Name = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove first what the database has.")
    ] = False,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Restore a backup into an empty database; nothing is written before all of it was checked."""
    with endable("restore", {UnloadableError: EXIT_PROBLEMS}):
        from taxi_report.backup import restoring
        from taxi_report.backup.shelf import load

        asked = Asked(by, reason)
        settings = settings_of()
        target = Destination(destination)
        manifest = load(target, name)
        with opened(settings) as database:
            _require_empty(restoring.contents(database), replace=replace)
            restoring.check(target, manifest)
            for one in restoring.expiring(database, manifest, datetime.now(UTC)):
                logger.warning(
                    "%s: some are older than the retention of this database, which removes them "
                    "within minutes", one,
                )  # fmt: skip
            what = {"backup": manifest.name, "replaced": replace}
            with noted(database, Action.RESTORE, asked, what) as outcome:
                if replace:
                    restoring.empty(database, settings.patience_seconds)
                done = restoring.restore(database, target, manifest, settings.patience_seconds)
                outcome.counts |= done.new
        typer.echo(f"{manifest.name}: {_counted(done.new)} restored")
        if any(done.present.values()):
            typer.echo(f"{_counted(done.present)} were there already and stayed")
        if any(done.unknown.values()):
            typer.echo(f"{_counted(done.unknown)} left out: they are of another release")
        _tell_problems(done.problems)


def _require_empty(there: list[str], *, replace: bool) -> None:
    if there and not replace:
        raise NotEmptyError(
            f"database: has documents in {', '.join(there)}; name an empty one in "
            "TAXI_MONGODB_URI, or give --replace, which removes them first (also after a restore "
            "that was cut off)"
        )


def _tell_problems(problems: Sequence[str]) -> None:
    """Say which versions that aliases point at cannot be loaded.

    Raises:
        UnloadableError: there are such.
    """
    if problems:
        raise UnloadableError(f"all is done, but: {'; '.join(problems)}")


def _told(manifest: "Manifest") -> str:
    served = ", ".join(f"{alias} {version}" for alias, version in manifest.aliases.items())
    seconds = (manifest.ended_at - manifest.began_at).total_seconds()
    return (
        f"{manifest.name}: {_counted(manifest.counts)} in {manifest.size / _MEGABYTE:.1f} MB, "
        f"{seconds:.0f} s; {served or 'no alias'}"
    )


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"
