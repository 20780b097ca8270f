"""What a finished backup has: written last, so that a backup with a manifest is complete."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bson import json_util

from taxi_report.backup.parts import BackupError, Part

MANIFEST: Final = "MANIFEST.json"
FORMAT: Final = 1
_DIGEST: Final = "sha256"


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its keys in their order, and its options."""

    keys: Sequence[tuple[str, Any]]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CollectionParts:
    """What a backup has of a collection.

    Attributes:
        parts: In the order of reading.
        indexes: But for that of the ids.
        oldest: When its first document was stored, of the log alone; None where that is not known.
    """

    parts: Sequence[Part]
    indexes: Sequence[Index] = ()
    oldest: datetime | None = None

    @property
    def documents(self) -> int:
        """Number of documents."""
        return sum(part.documents for part in self.parts)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A backup.

    Attributes:
        name: Of its folder.
        database: Name of the database that it was made of.
        began_at: When reading began; UTC.
        ended_at: When all was written; UTC.
        collections: By name.
        aliases: Version by alias, as models and aliases in it have them.
        problems: What is wrong with what was there: the backup has it as it was.
    """

    name: str
    database: str
    began_at: datetime
    ended_at: datetime
    collections: Mapping[str, CollectionParts]
    aliases: Mapping[str, str]
    problems: Sequence[str] = field(default_factory=tuple)

    @property
    def counts(self) -> dict[str, int]:
        """Documents by collection."""
        return {name: own.documents for name, own in self.collections.items()}

    @property
    def size(self) -> int:
        """Bytes of all parts as they are stored."""
        return sum(part.bytes for own in self.collections.values() for part in own.parts)

    def to_json(self) -> bytes:
        """Return it as JSON with a digest over all the rest."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "database": self.database,
            "began_at": self.began_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "aliases": dict(self.aliases),
            "problems": list(self.problems),
            "collections": {
                name: {
                    "documents": own.documents,
                    "oldest": None if own.oldest is None else own.oldest.isoformat(),
                    "indexes": [
                        {"keys": list(one.keys), "options": json_util.dumps(dict(one.options))}
                        for one in own.indexes
                    ],
                    "parts": [part._asdict() for part in own.parts],
                }
                for name, own in self.collections.items()
            },
        }
        return _text({**document, _DIGEST: _digest(document)})


def manifest_of(name: str, data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BackupError: it is damaged, or of another format.
    """
    try:
        document: dict[str, Any] = json.loads(data)
        if document["format"] != FORMAT:
            raise BackupError(
                f"{name}: its format is {document['format']}, this release has {FORMAT}; restore "
                "it with the release that made it"
            )
        if document.pop(_DIGEST) != _digest(document):
            raise BackupError(f"{name}: its manifest was changed; take another backup")
        return Manifest(
            document["name"], document["database"],
            datetime.fromisoformat(document["began_at"]),
            datetime.fromisoformat(document["ended_at"]),
            {one: _collection(own) for one, own in document["collections"].items()},
            document["aliases"], document["problems"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(
            f"{name}: its manifest is damaged ({error!r}); take another backup"
        ) from error


def _collection(own: Mapping[str, Any]) -> CollectionParts:
    oldest = own["oldest"]
    return CollectionParts(
        [Part(**part) for part in own["parts"]],
        [
            Index([(key, value) for key, value in one["keys"]], json_util.loads(one["options"]))
            for one in own["indexes"]
        ],
        None if oldest is None else datetime.fromisoformat(oldest),
    )


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(document)).hexdigest()


def _text(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
