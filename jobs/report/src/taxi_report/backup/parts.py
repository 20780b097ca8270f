"""Parts of a collection: documents as MongoDB stores them, compressed, each with its digest.

A part is BSON documents one after the other, as mongodump writes them, in one frame of zstd:
`zstd -dc PART | bsondump` reads it without this project.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa
from bson.raw_bson import RawBSONDocument

from taxi_domain.errors import TaxiError
from taxi_report.destination import Destination

#: A part ends with the batch of documents that makes it as large; a batch has 16 MiB at most.
PART_BYTES: Final = 32 * 1024 * 1024
_CODEC: Final = "zstd"
_LEVEL: Final = 3
_LENGTH: Final = struct.Struct("<i")
#: Length and end of an empty document.
_MIN_LENGTH: Final = 5


class BackupError(TaxiError):
    """A backup cannot be made, is damaged, or cannot be restored."""


class Part(NamedTuple):
    """A written part: name below the backup, SHA-256 in hexadecimal, sizes, number of documents."""

    name: str
    sha256: str
    bytes: int
    raw_bytes: int
    documents: int


def write_parts(
    destination: Destination, stem: str, batches: Iterable[bytes], part_bytes: int = PART_BYTES
) -> Iterator[tuple[Part, bytes]]:
    """Write documents as parts; yield each one and its documents once it is written.

    Args:
        destination: Where to.
        stem: Begin of the parts' names.
        batches: Whole documents, one after the other.
        part_bytes: Size from which on a part ends, not compressed.

    Raises:
        DestinationError: a part cannot be written.
    """
    held = bytearray()
    number = 0
    for batch in batches:
        held += batch
        if len(held) >= part_bytes:
            yield _written(destination, f"{stem}-{number:05d}.bson.zst", bytes(held))
            held.clear()
            number += 1
    if held:
        yield _written(destination, f"{stem}-{number:05d}.bson.zst", bytes(held))


def read_part(destination: Destination, folder: str, part: Part) -> bytes:
    """Return the documents of a part, whose digest is checked.

    Raises:
        BackupError: it is missing or damaged.
        DestinationError: it cannot be read.
    """
    data = destination.read(f"{folder}/{part.name}")
    if data is None:
        raise BackupError(f"{folder}/{part.name}: is missing; take another backup")
    if len(data) != part.bytes or hashlib.sha256(data).hexdigest() != part.sha256:
        raise BackupError(
            f"{folder}/{part.name}: has other content than its manifest says; take another backup"
        )
    raw: bytes = pa.Codec(_CODEC).decompress(data, part.raw_bytes, asbytes=True)
    return raw


def lengths_of(documents: bytes) -> Iterator[int]:
    """Yield the lengths of BSON documents that follow each other.

    Raises:
        BackupError: they are none.

    >>> list(lengths_of(bytes([5, 0, 0, 0, 0]) * 2))
    [5, 5]
    """
    start = 0
    while start < len(documents):
        length = 0
        if start + _LENGTH.size <= len(documents):
            (length,) = _LENGTH.unpack_from(documents, start)
        if length < _MIN_LENGTH or start + length > len(documents):
            raise BackupError("backup: a part has no whole documents; take another backup")
        yield length
        start += length


def documents_of(raw: bytes) -> Iterator[RawBSONDocument]:
    """Yield documents that follow each other, not decoded."""
    start = 0
    for length in lengths_of(raw):
        yield RawBSONDocument(raw[start : start + length])
        start += length


def _written(destination: Destination, name: str, raw: bytes) -> tuple[Part, bytes]:
    data: bytes = pa.Codec(_CODEC, compression_level=_LEVEL).compress(raw, asbytes=True)
    destination.write(name, data)
    count = sum(1 for _ in lengths_of(raw))
    own = name.rpartition("/")[2]
    return Part(own, hashlib.sha256(data).hexdigest(), len(data), len(raw), count), raw
