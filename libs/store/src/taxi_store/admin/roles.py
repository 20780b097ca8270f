"""What each component may do in MongoDB: the least that its code needs."""

from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.mongodb import (
    ALIASES,
    ARTIFACTS_BUCKET,
    AUDIT,
    DATABASE,
    LABELS,
    MODELS,
    PENDING,
    PREDICTIONS,
    REFUSALS,
    REPORTS,
    ROWS,
    RUNS,
    VERDICTS,
)

_FILES: Final = f"{ARTIFACTS_BUCKET}.files"
_CHUNKS: Final = f"{ARTIFACTS_BUCKET}.chunks"

_READ: Final = ("find",)
_APPEND: Final = ("insert",)
_INDEX: Final = ("createIndex", "listIndexes")
#: Changes how long documents stay, of an index that is there.
_RETENTION: Final = ("collMod",)
#: Makes a capped collection.
_CAPPED: Final = ("createCollection", "convertToCapped")
#: MongoDB's word for all collections of a database but its own ones, and for the database itself.
_ALL: Final = ""
_READ_REGISTRY: Final[Mapping[str, tuple[str, ...]]] = {
    ALIASES: _READ,
    MODELS: _READ,
    _FILES: _READ,
    _CHUNKS: _READ,
}

#: What a backup is restored into; a test holds it to the names of the domain.
RESTORED: Final = (
    PREDICTIONS, ROWS, PENDING, LABELS, RUNS, MODELS, ALIASES, REPORTS, VERDICTS, REFUSALS, _FILES,
    _CHUNKS,
)  # fmt: skip

#: Actions by collection, by component. The predictor cannot read what it logged.
ROLES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "predictor": {**_READ_REGISTRY, PREDICTIONS: _APPEND, REFUSALS: _APPEND},
    "monitor": {
        **_READ_REGISTRY,
        # Appending is for predictors of one's own (`POST /v1/records`).
        PREDICTIONS: (*_READ, *_APPEND),
        # Updating is for corrections (`POST /v1/labels/corrections`).
        LABELS: (*_READ, *_APPEND, "update"),
        PENDING: (*_READ, *_APPEND, "update"),
        ROWS: (*_READ, *_APPEND),
        RUNS: _READ,
        REPORTS: _READ,
        REFUSALS: (*_READ, *_INDEX),
        # The history of its own verdict, which it prunes.
        VERDICTS: (*_READ, *_INDEX, "insert", "update", "remove"),
        # When a backup was last made, how full the disk is, and what was corrected. Who may make a
        # capped collection may cut it, too: another user makes it, since this one has open doors.
        AUDIT: (*_READ, *_APPEND),
        _ALL: ("dbStats",),
    },
    "train": {
        PREDICTIONS: (*_READ, *_INDEX, *_RETENTION),
        LABELS: (*_READ, *_INDEX, *_RETENTION),
        PENDING: _INDEX,
        ROWS: (*_INDEX, *_RETENTION),
        ALIASES: (*_READ, "insert", "update"),
        # Removing is for the garbage collection (`taxi-models gc`).
        MODELS: (*_READ, *_INDEX, "insert", "update", "remove"),
        RUNS: (*_READ, *_INDEX, "insert", "update"),
        AUDIT: (*_CAPPED, *_APPEND),
        # GridFS makes its indexes at the first upload and removes the pieces of a broken one.
        _FILES: (*_READ, *_INDEX, "insert", "remove"),
        _CHUNKS: (*_READ, *_INDEX, "insert", "remove"),
    },
    "report": {
        **_READ_REGISTRY,
        PREDICTIONS: _READ,
        LABELS: _READ,
        # Removing is for the retention of reports, which it notes.
        REPORTS: (*_READ, *_INDEX, "insert", "update", "remove"),
        AUDIT: _APPEND,
    },
    # Reads all there is, also what later releases add; it can only note that it did.
    "backup": {
        _ALL: (*_READ, "listCollections", "listIndexes"),
        AUDIT: (*_CAPPED, *_APPEND),
    },
    # For people: deletes rows, corrects labels, restores a backup. The audit it can only add to.
    "data": {
        **dict.fromkeys(RESTORED, (*_READ, *_INDEX, "insert", "update", "remove")),
        AUDIT: (*_CAPPED, *_READ, *_APPEND),
        _ALL: ("listCollections",),
    },
    "operator": {
        ALIASES: (*_READ, "insert", "update"),
        MODELS: (*_READ, "update"),
        RUNS: _READ,
        AUDIT: (*_CAPPED, *_APPEND),
    },
}


def role_of(component: str) -> str:
    """Return the name of a component's role in the database."""
    return f"taxi-{component}"


def privileges_of(component: str, database: str = DATABASE) -> list[dict[str, Any]]:
    """Return a component's rights in a database, in the form of MongoDB's `createRole`.

    Releases that share a MongoDB have a database and users each.
    """
    return [
        {"resource": {"db": database, "collection": collection}, "actions": sorted(actions)}
        for collection, actions in sorted(ROLES[component].items())
    ]
