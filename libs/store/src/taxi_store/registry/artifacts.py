"""The model artifact: one archive of named files, with a digest over their content.

No pickle is ever in it, and nothing in it is trusted before the digest was checked.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.models import (
    ARTIFACT_FILES,
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    ONNX_FILE,
    version_of,
)

MAX_ARCHIVE_BYTES: Final = 256 * 1024 * 1024
_PREFIX: Final = "sha256:"


class ArtifactError(TaxiError):
    """An artifact is damaged, incomplete, or of another format."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A checked artifact.

    Attributes:
        digest: ``sha256:`` and 64 hex digits.
        files: Content by name; names are those of `taxi_domain.models.ARTIFACT_FILES`.
    """

    digest: str
    files: Mapping[str, bytes]

    @property
    def version(self) -> str:
        """First 12 hex digits of the digest."""
        return version_of(self.digest)

    @property
    def card(self) -> dict[str, Any]:
        """The decoded card.json."""
        card: dict[str, Any] = json.loads(self.files[CARD_FILE])
        return card


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return sha256 over the sorted list of the files' sha256.

    >>> digest_of({"a": b"1"}) == digest_of({"a": b"2"})
    False
    """
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    return _PREFIX + hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def artifact_of(files: Mapping[str, bytes]) -> Artifact:
    """Check the files and make an artifact of them.

    Raises:
        ArtifactError: a file is missing or unknown, or the card is not of our format.
    """
    unknown = set(files) - set(ARTIFACT_FILES)
    if unknown:
        raise ArtifactError(f"artifact: {', '.join(sorted(unknown))} does not belong into it")
    missing = {CARD_FILE, ONNX_FILE} - set(files)
    if missing:
        raise ArtifactError(f"artifact: {', '.join(sorted(missing))} is missing")
    try:
        card = json.loads(files[CARD_FILE])
        found = card["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"artifact: {CARD_FILE} is not a card ({error!r})") from error
    if found != ARTIFACT_FORMAT_VERSION:
        raise ArtifactError(
            f"artifact: format {found} is not {ARTIFACT_FORMAT_VERSION}; train the model anew"
        )
    return Artifact(digest_of(files), dict(files))


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the archive: the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            archive.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()


def unpack(archive: bytes, *, expected_digest: str | None = None) -> Artifact:
    """Read an archive into memory; nothing is written anywhere.

    Raises:
        ArtifactError: damaged, too large, unexpected members, or another digest than expected.
    """
    if len(archive) > MAX_ARCHIVE_BYTES:
        raise ArtifactError(f"artifact: {len(archive)} bytes, more than {MAX_ARCHIVE_BYTES}")
    files: dict[str, bytes] = {}
    size = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as opened:
            for member in opened:
                size += member.size
                if size > MAX_ARCHIVE_BYTES:
                    raise ArtifactError(f"artifact: holds more than {MAX_ARCHIVE_BYTES} bytes")
                # The holes of a sparse file cost nothing in the archive and all in memory.
                plain = member.type == tarfile.REGTYPE and not member.issparse()
                content = opened.extractfile(member) if plain else None
                if content is None or member.name in files or member.name not in ARTIFACT_FILES:
                    raise ArtifactError(f"artifact: unexpected member {member.name!r}")
                files[member.name] = content.read()
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArtifactError(f"artifact: is damaged ({error}); load it again") from error
    artifact = artifact_of(files)
    if expected_digest is not None and artifact.digest != expected_digest:
        raise ArtifactError(
            f"artifact: its digest is {artifact.digest}, expected {expected_digest}; load it again"
        )
    return artifact
