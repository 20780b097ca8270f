"""Which rows are meant: those with some ids, or those that were answered in a span of time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_domain.ids import check_id
from taxi_report.spans import moment_of
from taxi_store.admin.audit import digest_of_ids
from taxi_store.connection import Document
from taxi_store.log.deletion import Piece, Times, labels_without_rows, rows_within
from taxi_store.log.prediction_log import chunks

#: Of a file; an id has 64 characters at most.
MAX_IDS: Final = 1_000_000
_MAX_BYTES: Final = MAX_IDS * 66


@dataclass(frozen=True, slots=True)
class Given:
    """What a command line says of the rows; empty for what it does not."""

    ids: Sequence[str]
    ids_file: Path | None
    before: str
    start: str
    end: str


class Selection(Protocol):
    """Rows and labels that are meant."""

    def told(self) -> dict[str, Any]:
        """Return what the audit keeps of it."""

    def pieces(self, database: Database[Document]) -> Iterator[Piece]:
        """Yield what is meant, a few thousand ids at a time."""


@dataclass(frozen=True, slots=True)
class ByIds:
    """Rows with these ids, whatever their model."""

    ids: Sequence[str]

    def told(self) -> dict[str, Any]:
        """Return their number and digest: an audit that had the ids would keep what is deleted."""
        return {"ids": len(self.ids), "ids_sha256": digest_of_ids(self.ids)}

    def pieces(self, database: Database[Document]) -> Iterator[Piece]:
        """Yield the ids, with whatever has one of them."""
        del database
        return map(Piece.of_ids, chunks(self.ids))


@dataclass(frozen=True, slots=True)
class ByTime:
    """A model's rows that were answered in a span, and labels of it whose rows are not logged."""

    model: str
    times: Times

    def told(self) -> dict[str, Any]:
        """Return the span."""
        start = self.times.start.isoformat() if self.times.start else None
        return {"model": self.model, "from": start, "to": self.times.end.isoformat()}

    def pieces(self, database: Database[Document]) -> Iterator[Piece]:
        """Yield rows, then labels."""
        yield from rows_within(database, self.model, self.times)
        yield from labels_without_rows(database, self.model, self.times)


def selection_of(given: Given, model: str, zone: ZoneInfo) -> Selection:
    """Return which rows are meant.

    Raises:
        FieldError: nothing or more than one thing is given, or a value is not usable.
    """
    ways = {
        "--id": bool(given.ids), "--ids-file": given.ids_file is not None,
        "--before": bool(given.before), "--from and --to": bool(given.start or given.end),
    }  # fmt: skip
    named = [option for option, is_given in ways.items() if is_given]
    if len(named) != 1:
        problem = f"{' beside '.join(named)} is ambiguous" if named else "no rows are named"
        raise FieldError("delete", problem, f"give one of {', '.join(ways)}")
    if given.ids:
        return ByIds(_checked(given.ids, "--id"))
    if given.ids_file is not None:
        return ByIds(_of_file(given.ids_file))
    if given.before:
        return ByTime(model, Times(None, moment_of("--before", given.before, zone)))
    return ByTime(model, _between(given.start, given.end, zone))


def _between(start: str, end: str, zone: ZoneInfo) -> Times:
    for option, text in (("--from", start), ("--to", end)):
        if not text:
            raise FieldError(option, "is missing", "give both --from and --to")
    times = Times(moment_of("--from", start, zone), moment_of("--to", end, zone))
    if times.start is not None and times.end <= times.start:
        raise FieldError("--to", "is not after --from", "give a later time")
    return times


def _of_file(path: Path) -> Sequence[str]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise FieldError(str(path), "is too large", f"give at most {MAX_IDS} ids at a time")
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FieldError(
            str(path), f"cannot be read ({error})", "give a text file with an id in each line"
        ) from error
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise FieldError(str(path), "has no ids", "give a text file with an id in each line")
    return _checked(ids, str(path))


def _checked(ids: Sequence[str], field: str) -> Sequence[str]:
    return list(dict.fromkeys(check_id(one, field) for one in ids))
