"""What a finished day has: written last, so that a day with a manifest is complete."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from taxi_domain.errors import TaxiError

FORMAT: Final = 1


class ManifestError(TaxiError):
    """A manifest is damaged, or of another release."""


class File(NamedTuple):
    """A written file: name below the destination, SHA-256 in hexadecimal, size and rows."""

    name: str
    sha256: str
    bytes: int
    rows: int


class LeftOut(NamedTuple):
    """Rows of a version that were not exported, and why."""

    rows: int
    reason: str


@dataclass(frozen=True, slots=True)
class VersionFiles:
    """What a version answered on a day.

    Attributes:
        schema_sha256: Digest of the version's schema.
        files: In the order of their rows.
        unread: Values that are null since they cannot be read as their column's type, by column.
    """

    schema_sha256: str
    files: list[File]
    unread: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A day of a model.

    Attributes:
        model: Name of the model.
        day: Local day of the answers.
        zone: Of the day.
        versions: By version.
        left_out: Versions without files, by version.
        unreadable: Documents that could not be read, by collection and field.
        labelled: Rows that had a label.
    """

    model: str
    day: date
    zone: str
    versions: Mapping[str, VersionFiles]
    left_out: Mapping[str, LeftOut] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    labelled: int = 0

    @property
    def files(self) -> list[File]:
        """All files."""
        return [file for version in self.versions.values() for file in version.files]

    @property
    def rows(self) -> int:
        """Exported rows."""
        return sum(file.rows for file in self.files)

    def to_json(self) -> bytes:
        """Return it as JSON: the same day gives the same bytes."""
        document = {
            "format": FORMAT,
            "model": self.model,
            "date": self.day.isoformat(),
            "zone": self.zone,
            "rows": self.rows,
            "labelled": self.labelled,
            "versions": {
                version: {
                    "schema_sha256": own.schema_sha256,
                    "files": [file._asdict() for file in own.files],
                    "unread": dict(own.unread),
                }
                for version, own in self.versions.items()
            },
            "left_out": {version: one._asdict() for version, one in self.left_out.items()},
            "unreadable": dict(self.unreadable),
        }
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def manifest_of(name: str, data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestError: it is damaged, or of another format.
    """
    try:
        document: dict[str, Any] = json.loads(data)
        found = document["format"]
        if found != FORMAT:
            raise ManifestError(
                f"{name}: its format is {found}, this release has {FORMAT}; export into another "
                "folder"
            )
        return Manifest(
            document["model"], date.fromisoformat(document["date"]), document["zone"],
            {
                version: VersionFiles(
                    own["schema_sha256"], [File(**file) for file in own["files"]], own["unread"]
                )
                for version, own in document["versions"].items()
            },
            {version: LeftOut(**one) for version, one in document["left_out"].items()},
            document["unreadable"], document["labelled"],
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(
            f"{name}: is damaged ({error!r}); remove it and export its day again"
        ) from error
