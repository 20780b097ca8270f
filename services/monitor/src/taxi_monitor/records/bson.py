"""BSON of the predictor and of the log as columns.

Names and their order are learnt from a document and looked for in the others, with whatever types
they have there. What is not like that is decoded one by one, by the code that says which
documents can be read: both give the same.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import bson
import numpy as np
from bson.errors import BSONError

from taxi_domain.documents import record_of
from taxi_domain.errors import FieldError
from taxi_domain.ids import MAX_ID
from taxi_domain.records import EVENT_TIME, INPUTS, PredictionRecord, utc
from taxi_monitor.records.batch import EPOCH, MILLISECOND, NO_TIME, RecordBatch, Values, part_of
from taxi_monitor.records.walk import (
    ARRAY,
    DOUBLE,
    INTEGER,
    LONG,
    MAX_NAME_BYTES,
    NULL,
    OBJECT,
    TIME,
    Bytes,
    Floats,
    Ids,
    Mask,
    Walk,
)
from taxi_store.log.malformed import LENIENT

#: Layouts that are kept, and attempts at the documents of one body: senders have one or two kinds.
_MAX_LAYOUTS: Final = 3
_MAX_TRIES: Final = 8
#: Fewer documents are decoded faster one by one.
_MIN_TOGETHER: Final = 4
_LENGTH: Final = struct.Struct("<i")
_SMALLEST: Final = 5
_ID: Final = "_id"
_IDS: Final = re.compile(rb"[A-Za-z0-9._-]*")
#: As `taxi_domain.documents` takes times of answers, and Python any.
_FIRST_TS: Final = int(datetime(2, 1, 1, tzinfo=UTC).timestamp()) * 1000
_LAST_TS: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1000 - 1
_FIRST_TIME: Final = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 1000


class Layout(NamedTuple):
    """What documents of one kind have alike.

    Attributes:
        fields: Names of the fields behind the id, in their order.
        inputs: Names of the inputs, in their order.
        shadowed: Whether another version answered in the shadow.
    """

    fields: tuple[str, ...]
    inputs: tuple[str, ...]
    shadowed: bool


class Refused(NamedTuple):
    """A document that is no record."""

    place: int
    document_id: object
    error: FieldError


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents that follow each other.

    Attributes:
        data: Of all of them.
        starts: Where they begin, shape (n,).
        ends: Where they end, shape (n,).
    """

    data: bytes
    starts: Ids
    ends: Ids

    def __len__(self) -> int:
        """Return their number."""
        return len(self.starts)

    def document(self, place: int) -> dict[str, Any]:
        """Decode one.

        Raises:
            FieldError: it is no BSON.
        """
        data = self.data[int(self.starts[place]) : int(self.ends[place])]
        try:
            return bson.decode(data, LENIENT)
        except (BSONError, struct.error, ValueError, OverflowError) as error:
            raise _no_bson(error) from error

    def record(self, place: int) -> PredictionRecord:
        """Read one as a record.

        Raises:
            FieldError: it is none.
        """
        return record_of(self.document(place))


def documents_of(data: bytes) -> Documents:
    """Find the documents of a body.

    Raises:
        FieldError: the bytes are not BSON.
    """
    bounds = [0]
    at, size, length_at = 0, len(data), _LENGTH.unpack_from
    while at < size:
        if at + _SMALLEST > size:
            raise _no_bson("it is cut off")
        (length,) = length_at(data, at)
        at += length
        if length < _SMALLEST or at > size:
            raise _no_bson("a length is wrong")
        bounds.append(at)
    places = np.array(bounds, np.int64)
    return Documents(data, places[:-1], places[1:])


class Decoder:
    """Decodes documents as columns, and remembers layouts; safe for several threads."""

    def __init__(self) -> None:
        #: The last one that was of use comes last. Replaced, never changed: others iterate it.
        self._layouts: tuple[Layout, ...] = ()

    def decoded(self, data: bytes | Documents) -> tuple[RecordBatch, list[Refused]]:
        """Return the records, and which documents are none.

        Raises:
            FieldError: the bytes are not BSON.
        """
        documents = documents_of(data) if isinstance(data, bytes) else data
        batch = RecordBatch.empty(len(documents))
        batch.source = documents.record
        left = self._walk_all(documents, batch)
        refused = []
        for place in left.tolist():
            document = documents.document(place)
            try:
                batch.put(place, record_of(document))
                batch.stored_at[place] = _time_of(document.get("stored_at"))
            except FieldError as error:
                refused.append(Refused(place, document.get(_ID), error))
        if refused:
            bad = {one.place for one in refused}
            return part_of(batch, [one for one in range(len(batch)) if one not in bad]), refused
        return batch, refused

    def _walk_all(self, documents: Documents, batch: RecordBatch) -> Ids:
        """Walk through what can be; return the places of what is left."""
        left: Ids = np.arange(len(documents))
        tried: set[Layout] = set()
        alone: list[int] = []
        for _ in range(_MAX_TRIES):
            if len(left) < _MIN_TOGETHER:
                break
            layout = next((one for one in reversed(self._layouts) if one not in tried), None)
            if layout is None:
                layout = _layout_of(documents.document(int(left[0])))
            if layout is None or layout in tried:
                # This one is of its own kind; the next may be as the others.
                alone.append(int(left[0]))
                left = left[1:]
                continue
            tried.add(layout)
            before = len(left)
            left = _walked(documents, layout, left, batch)
            if len(left) < before:
                self._keep(layout)
        return np.sort(np.concatenate([left, np.array(alone, np.int64)]))

    def _keep(self, layout: Layout) -> None:
        # What another thread keeps at the same time may be lost; it is learnt again.
        others = (one for one in self._layouts if one != layout)
        self._layouts = (*others, layout)[-_MAX_LAYOUTS:]


def _time_of(value: object) -> int:
    """Return a time that a document has as milliseconds, `NO_TIME` where it has none."""
    if not isinstance(value, datetime):
        return NO_TIME
    return (utc(value) - EPOCH) // MILLISECOND


def _no_bson(problem: object) -> FieldError:
    return FieldError("body", f"is not BSON ({problem})", "send records as the predictor does")


def _layout_of(document: dict[str, Any]) -> Layout | None:
    """Return a document's layout, None when no walk knows it."""
    names = list(document)
    inputs = document.get(INPUTS)
    if names[:1] != [_ID] or not isinstance(inputs, dict):
        return None
    shadow = document.get("shadow") or ()
    layout = Layout(tuple(names[1:]), tuple(inputs), bool(shadow))
    if any(len(name.encode()) > MAX_NAME_BYTES for name in (*names, *inputs)):
        return None
    missing = {"ts", "model", "model_version", "model_role", INPUTS, "prediction"} - {*names}
    return None if missing else layout


def _walked(documents: Documents, layout: Layout, places: Ids, batch: RecordBatch) -> Ids:
    """Put the documents of a layout into a batch; return the places of the others."""
    whole = len(places) == len(documents)
    starts = documents.starts if whole else documents.starts[places]
    ends = documents.ends if whole else documents.ends[places]
    walk = Walk(documents.data, starts, ends)
    found = _Found(walk, len(places))
    found.read_id()
    for name in layout.fields:
        found.read(name, layout)
    walk.end()
    on = walk.on & found.readable()
    here = np.flatnonzero(on)
    if len(here):
        found.put(here, places[here], batch)
    return places[~on]


class _Found:
    """What a walk found."""

    def __init__(self, walk: Walk, rows: int) -> None:
        self._walk = walk
        self._rows = rows
        self.ids: list[bytes] = []
        self.texts: dict[str, list[bytes]] = {}
        self.times = {name: self._no_times() for name in ("ts", EVENT_TIME, "stored_at")}
        self.prediction = np.zeros(rows)
        self.inputs: dict[str, Values] = {}
        self.shadowed: list[bytes] = []
        self.shadow = np.zeros(rows)

    def _no_times(self) -> Ids:
        return np.full(self._rows, NO_TIME)

    def read_id(self) -> None:
        """Read the id."""
        self.ids = self._walk.texts(self._walk.element(_ID))

    def read(self, name: str, layout: Layout) -> None:
        """Read one field."""
        walk = self._walk
        types = walk.element(name)
        match name:
            case "ts" | "event_time" | "stored_at":
                walk.times(types, self.times[name])
            case "model" | "model_version" | "model_role":
                self.texts[name] = walk.texts(types)
            case "inputs":
                walk.drop(types != OBJECT)
                self._read_inputs(layout.inputs)
            case "prediction":
                self.prediction = self._numbers(types)
            case "latency_seconds":
                self._numbers(types, null=True)
            case "shadow":
                walk.drop(types != ARRAY)
                self._read_shadow(layout.shadowed)
            case "extra":
                walk.drop(types != OBJECT)
                walk.skip()
            case _:
                # Of somebody's own program; nobody reads it.
                self._pass_over(types)

    def _read_inputs(self, names: Sequence[str]) -> None:
        walk = self._walk
        ends = walk.inner()
        for name in names:
            types = walk.element(name)
            values = Values(types, np.full(self._rows, np.nan))
            values.texts = walk.scalars(types, values.numbers)
            self.inputs[name] = values
        walk.leave(ends)

    def _read_shadow(self, shadowed: bool) -> None:
        """Read an array of no answer, or of one."""
        walk = self._walk
        array = walk.inner()
        if not shadowed:
            walk.leave(array)
            return
        walk.drop(walk.element("0") != OBJECT)
        one = walk.inner()
        self.shadowed = walk.texts(walk.element("model_version"))
        self.shadow = self._numbers(walk.element("prediction"))
        walk.leave(one)
        walk.leave(array)

    def _numbers(self, types: Bytes, *, null: bool = False) -> Floats:
        """Read finite numbers, perhaps null among them, for which there is 0."""
        fine = (types == DOUBLE) | (types == INTEGER) | (types == LONG)
        self._walk.drop(~fine & (types != NULL) if null else ~fine)
        found = np.zeros(self._rows)
        self._walk.numbers(types, found)
        self._walk.drop(~np.isfinite(found))
        return found

    def _pass_over(self, types: Bytes) -> None:
        walk = self._walk
        if (types == TIME)[walk.on].all():
            walk.times(types, self._no_times())
        else:
            walk.scalars(types, np.zeros(self._rows))

    def readable(self) -> Mask:
        """Tell which are records as `taxi_domain.documents` reads them, without looking twice."""
        ts, event = self.times["ts"], self.times[EVENT_TIME]
        fine: Mask = (ts >= _FIRST_TS) & (ts <= _LAST_TS)
        fine &= (event == NO_TIME) | ((event >= _FIRST_TIME) & (event <= _LAST_TS))
        if not _IDS.fullmatch(b"".join(self.ids)):
            fine &= np.array([_IDS.fullmatch(one) is not None for one in self.ids], np.bool_)
        texts = [self.ids, *self.texts.values(), *([self.shadowed] if self.shadowed else [])]
        for found in texts:
            if b"" in found:
                fine &= np.array([one != b"" for one in found], np.bool_)
        sizes = np.fromiter(map(len, self.ids), np.int64, self._rows)
        return fine & (sizes <= MAX_ID)

    def put(self, here: Ids, places: Ids, batch: RecordBatch) -> None:
        """Put those that are records into a batch."""
        chosen = here.tolist()
        whole = len(chosen) == self._rows
        ids = self.ids if whole else [self.ids[one] for one in chosen]
        texts = b"\n".join(ids).decode("ascii").split("\n")
        if whole and len(batch) == self._rows:
            batch.ids = texts
        else:
            for place, text in zip(places.tolist(), texts, strict=True):
                batch.ids[place] = text
        milliseconds = self.times["ts"][here]
        batch.milliseconds[places] = milliseconds
        batch.ts[places] = milliseconds / 1000
        batch.event_times[places] = self.times[EVENT_TIME][here]
        batch.stored_at[places] = self.times["stored_at"][here]
        batch.answered[places] = _versions(self.texts["model_version"], here, batch)
        batch.predictions[places] = self.prediction[here]
        if self.shadowed:
            batch.shadowed[places] = _versions(self.shadowed, here, batch)
            batch.shadow_predictions[places] = self.shadow[here]
        batch.walked[places] = True
        for name, values in self.inputs.items():
            if whole and len(batch) == self._rows:
                batch.inputs[name] = values
                continue
            part = Values(
                values.types[here], values.numbers[here],
                None if values.texts is None else [values.texts[one] for one in chosen],
            )  # fmt: skip
            batch.inputs.setdefault(name, Values.empty(len(batch))).put(places, part)


def _versions(texts: list[bytes], here: Ids, batch: RecordBatch) -> Ids | int:
    """Return the places of versions in a batch, which they get where they have none."""
    distinct = set(texts)
    if len(distinct) == 1:
        return batch.version_place(distinct.pop().decode("utf-8", "replace"))
    places = {
        one: batch.version_place(one.decode("utf-8", "replace")) for one in distinct if one
    }  # fmt: skip
    return np.array([places[texts[one]] for one in here.tolist()], np.int64)
