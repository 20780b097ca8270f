"""How long rows and labels stay in MongoDB: TTL indexes on `stored_at`, changed in place.

Expiry counts from `stored_at`, the time of the insert, so replayed spools and old rows live as
long as any other. MongoDB looks for what has expired once a minute.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from taxi_domain.errors import FieldError
from taxi_domain.mongodb import LABELS, PREDICTIONS, ROWS
from taxi_store.admin.audit import Action
from taxi_store.admin.noting import Asked, noted
from taxi_store.connection import Document, translated

_DAY: Final = 86_400
#: MongoDB takes no more seconds than this.
_MAX_SECONDS: Final = 2**31 - 1
MAX_DAYS: Final = _MAX_SECONDS // _DAY
_KEY: Final = {"stored_at": ASCENDING}
_CONFLICTS: Final = {85, 86}
_INVALID_OPTIONS: Final = 72
_ASKED: Final = Asked("release", "mongodb.retention")


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that documents stay after they were stored; 0 keeps them for ever.

    Raises:
        FieldError: a number of days is below 0 or above `MAX_DAYS`.
    """

    predictions_days: int
    labels_days: int

    def __post_init__(self) -> None:
        """Refuse what MongoDB cannot keep to."""
        for field, days in (("predictions", self.predictions_days), ("labels", self.labels_days)):
            if not 0 <= days <= MAX_DAYS:
                raise FieldError(
                    field,
                    f"{days} days are out of range",
                    f"give 0 (for ever) to {MAX_DAYS} days",
                )


def read_retention(folder: Path) -> Retention:
    """Return the retention of a folder with the files `predictions-days` and `labels-days`.

    Raises:
        FieldError: a file is missing or has no usable number of days.
    """
    return Retention(_days(folder / "predictions-days"), _days(folder / "labels-days"))


def _days(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError) as error:
        raise FieldError(
            str(path), f"has no number of days ({error})", "put one into the ConfigMap"
        ) from error


def ensure_retention(database: Database[Document], retention: Retention) -> None:
    """Let rows and labels expire as given; doing it again changes nothing.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        _ensure(database[PREDICTIONS], retention.predictions_days)
        _ensure(database[ROWS], retention.predictions_days)
        _ensure(database[LABELS], retention.labels_days)


def change_retention(database: Database[Document], retention: Retention) -> None:
    """The same, and what it changes is in the audit: fewer days remove what is older.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    wanted = {
        PREDICTIONS: retention.predictions_days, ROWS: retention.predictions_days,
        LABELS: retention.labels_days,
    }  # fmt: skip
    with translated():
        found = {name: _found_days(database[name]) for name in wanted}
    # Where there was no index nothing is changed: the first start, or a new collection.
    before = {
        name: days for name, days in found.items() if days is not None and days != wanted[name]
    }
    if not before:
        ensure_retention(database, retention)
        return
    what = {"collections": sorted(before)}
    with noted(database, Action.CHANGE_RETENTION, _ASKED, what, is_required=False) as outcome:
        outcome.before = before
        outcome.after = {name: wanted[name] for name in before}
        ensure_retention(database, retention)


def ensure_order(database: Database[Document]) -> None:
    """Make the indexes by which the log is followed, and leave alone what expires when."""
    with translated():
        for name in (PREDICTIONS, ROWS, LABELS):
            if _index(database[name]) is None:
                _create(database[name], {})


def _ensure(collection: Collection[Document], days: int) -> None:
    index = _index(collection)
    wanted = days * _DAY if days else None
    if index is None:
        # Somebody may have made it meanwhile, without or with another expiry.
        if _create(collection, {} if wanted is None else {"expireAfterSeconds": wanted}):
            return
        index = _index(collection) or {}
    current = index.get("expireAfterSeconds")
    if wanted is None:
        # An index cannot be told to expire nothing any more: after 68 years is the same.
        wanted = None if current is None else _MAX_SECONDS
    if current == wanted:
        return
    _modify(collection, index["name"], wanted)


def _modify(collection: Collection[Document], name: str, seconds: int | None) -> None:
    change = {"keyPattern": _KEY, "expireAfterSeconds": seconds}
    try:
        collection.database.command("collMod", collection.name, index=change)
    except OperationFailure as error:
        if error.code != _INVALID_OPTIONS:
            raise
        # Before 5.1 MongoDB gives no expiry to an index that was made without one.
        collection.drop_index(name)
        collection.create_index(list(_KEY.items()), expireAfterSeconds=seconds)


def _found_days(collection: Collection[Document]) -> float | None:
    """Return the days that documents stay, 0 for ever, None without an index."""
    index = _index(collection)
    if index is None:
        return None
    seconds = index.get("expireAfterSeconds", _MAX_SECONDS)
    return 0 if seconds >= _MAX_SECONDS else seconds / _DAY


def _index(collection: Collection[Document]) -> dict[str, Any] | None:
    """Return the index on `stored_at`, None when there is none."""
    for one in collection.list_indexes():
        if dict(one["key"]) == _KEY:
            return dict(one)
    return None


def _create(collection: Collection[Document], expiry: dict[str, Any]) -> bool:
    """Make the index; return False when another process just made it otherwise."""
    try:
        collection.create_index(list(_KEY.items()), **expiry)
    except OperationFailure as error:
        if error.code not in _CONFLICTS:
            raise
        return False
    return True
