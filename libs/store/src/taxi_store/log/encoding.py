"""Prediction records as BSON: encoded once, in the predictor, and never again on their way.

Monitor and MongoDB take the same bytes. MongoDB's `stored_at` is put in at the end of
the document when it is written; https://bsonspec.org/spec.html has the layout.
"""

import struct
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument

from taxi_domain.records import PredictionRecord, utc

CONTENT_TYPE: Final = "application/bson"
_STORED_AT: Final = b"\x09stored_at\x00"
_BY: Final = b"\x02by\x00"
_LENGTH: Final = struct.Struct("<i")
_TIME: Final = struct.Struct("<q")


def encoded(record: PredictionRecord) -> bytes:
    """Return a record's document as BSON."""
    return bson.encode(record.to_document())


def reencoded(document: Mapping[str, Any]) -> bytes:
    """Return a record's document as BSON again."""
    return bson.encode(document)


def storable(records: Sequence[bytes], now: datetime, by: str = "") -> list[RawBSONDocument]:
    """Return records for MongoDB, with the time of storing; the bytes are copied, not decoded.

    Args:
        records: Encoded records, without a field `by`.
        now: Time of the insert, UTC.
        by: Name of who sent them, without a null character; empty: not known, and not stored.
    """
    sender = b""
    if by:
        text = by.encode() + b"\x00"
        sender = _BY + _LENGTH.pack(len(text)) + text
    element = _STORED_AT + _TIME.pack(int(utc(now).timestamp() * 1000)) + sender + b"\x00"
    return [
        RawBSONDocument(_LENGTH.pack(len(one) + len(element) - 1) + one[4:-1] + element)
        for one in records
    ]
