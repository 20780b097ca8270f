"""Records that are decoded together are as if they were read one by one, whatever they are."""

import contextlib
import math
import random
import struct
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.artifacts import random_rows
from support.monitor_windows import NOW, watched
from support.references import reference_for
from support.schemas import rows, schemas

from taxi_domain.documents import record_of
from taxi_domain.errors import FieldError
from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord, Shadow
from taxi_monitor.records.bson import Decoder
from taxi_monitor.windows.misfits import Misfits
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import watched_version
from taxi_monitor.windows.window import Rows, Window
from taxi_schema.reading import schema_of
from taxi_schema.records import inputs_of
from taxi_schema.schema import Schema
from taxi_store.log.encoding import encoded
from taxi_store.log.malformed import LENIENT

some_examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
PLAIN = schema_of({
    "target": {"name": "y"}, "event_time": {"name": "at", "timezone": "America/New_York"},
    "columns": [
        {"name": "n", "kind": "number", "nullable": True},
        {"name": "i", "kind": "category", "type": "integer", "nullable": True},
        {"name": "s", "kind": "category", "nullable": True},
        {"name": "b", "kind": "boolean", "nullable": True},
        {"name": "away", "kind": "number", "drift": "ignored", "nullable": True},
    ],
})  # fmt: skip
#: What may stand in a record's place of a value: of its type, and not.
VALUES = st.sampled_from([
    None, 1.5, 2.0, -0.0, math.nan, math.inf, 1e200, 3, -(2**31), 2**31, 2**62, 2**63 - 1, -(2**63),
    True, False, "", "a", "b", "long " * 5, "x" * 65, "tab\t", "é", {"nested": 1}, [1], NOW, b"raw",
])  # fmt: skip
TIMES = st.sampled_from([
    NOW, datetime(1969, 12, 31, 23, 59, 59, 999000, UTC), datetime(2, 1, 1, tzinfo=UTC),
    datetime(2024, 3, 10, 7, tzinfo=UTC), datetime(2024, 11, 3, 6, 30, tzinfo=UTC),
])  # fmt: skip


@st.composite
def a_document(draw: Any) -> dict[str, Any]:
    """Draw a record's document, which may be no record."""
    names = draw(st.sampled_from([("n", "i", "s", "b", "away"), ("n", "i"), ("s", "n", "other")]))
    document: dict[str, Any] = {
        "_id": draw(st.sampled_from(["a", "b-1", "c" * 64])),
        "ts": draw(TIMES), "event_time": draw(st.one_of(st.none(), TIMES)), "model": "m",
        "model_version": draw(st.sampled_from(["v1", "v2"])), "model_role": "champion",
        "inputs": {name: draw(VALUES) for name in names},
        "prediction": draw(st.sampled_from([1.0, 2, 2**40])),
        "latency_seconds": draw(st.sampled_from([None, 0.5, 1])),
        "shadow": draw(st.sampled_from([
            [], [{"model_version": "v1", "prediction": 7.0}],
            [{"model_version": v, "prediction": 8.5} for v in ("v3", "v1")],
        ])),
    }  # fmt: skip
    document |= draw(st.sampled_from([{}, {}, {"extra": {"note": "n"}}, {"stored_at": NOW}]))
    broken = draw(st.sampled_from([None] * 8 + [
        ("prediction", math.nan), ("prediction", None), ("prediction", True), ("ts", None),
        ("model_version", ""), ("_id", ""), ("_id", "x" * 65), ("_id", "a b"), ("_id", 7),
        ("event_time", "2021-01-01T00:00:00"), ("inputs", []), ("latency_seconds", math.inf),
        ("latency_seconds", "long"), ("shadow", [1]), ("extra", 3), ("model", 5),
    ]))  # fmt: skip
    if broken is not None:
        document[broken[0]] = broken[1]
    return document


def one_by_one(bodies: Sequence[bytes]) -> tuple[list[PredictionRecord], list[int]]:
    good, bad = [], []
    for place, body in enumerate(bodies):
        try:
            (document,) = bson.decode_all(body, LENIENT)
            good.append(record_of(document))
        except FieldError:
            bad.append(place)
    return good, bad


def taken(schema: Schema, records: Any) -> tuple[Any, ...]:
    """Return what a monitor has of records, and what it said of them."""
    told: list[tuple[str, str]] = []
    reader = RowReader("v1", schema, reference_for(schema), Misfits(lambda *one: told.append(one)))
    state = State(50, 1)
    version = watched_version(Alias.CHAMPION, reader, window_rows=50, error_window_rows=50)
    state.watch(Alias.CHAMPION, version)
    done = state.ingest(records)
    snapshot = version.window.snapshot()
    columns = {name: column.tobytes() for name, column in snapshot.columns.items()}
    times = (repr(snapshot.start), repr(snapshot.end), snapshot.untimed)
    return done, columns, times, sorted(told)


@some_examples
@given(st.lists(a_document(), min_size=1, max_size=30), st.booleans())
def test_together_is_as_one_by_one(documents: list[dict[str, Any]], distinct: bool) -> None:
    if distinct:
        for place, one in enumerate(documents):
            if isinstance(one["_id"], str) and 0 < len(one["_id"]) < 60:
                one["_id"] = f"{one['_id']}-{place}"
    bodies = [bson.encode(one) for one in documents]
    records, bad = one_by_one(bodies)

    batch, refused = Decoder().decoded(b"".join(bodies))

    assert [one.place for one in refused] == bad
    assert batch.ids == [one.row_id for one in records]
    assert repr([batch.record(place) for place in range(len(batch))]) == repr(records)
    assert taken(PLAIN, batch) == taken(PLAIN, records)


@some_examples
@given(st.data())
def test_rows_of_any_schema_are_walked_through(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    served = [*random_rows(schema, 20, seed=4), *data.draw(st.lists(rows(schema), max_size=5))]
    records = [
        PredictionRecord(
            f"r{number}", NOW + timedelta(seconds=number), row.event_time, "m", "v1", "champion",
            inputs_of(schema, row), float(number % 5), None, {},
            (Shadow("v2", 1.0),) if number % 2 else (),
        )
        for number, row in enumerate(served)
    ]  # fmt: skip

    bodies = [encoded(one) for one in records]
    batch, refused = Decoder().decoded(b"".join(bodies))

    assert not refused
    assert batch.walked.all(), "the fast way is taken"
    read, _ = one_by_one(bodies)
    assert taken(schema, batch) == taken(schema, read)


@pytest.fixture
def busy() -> Iterator[None]:
    """Let threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("busy")
def test_threads_share_what_was_learnt() -> None:
    """Posts of labels read the log beside the thread that follows it, with one decoder."""
    bodies = [
        b"".join(
            encoded(
                PredictionRecord(f"r{n}", NOW, None, "m", "v1", "champion", {f"c{kind}": 1.0}, 3.0)
            )
            for n in range(8)
        )
        for kind in range(6)
    ]
    decoder = Decoder()

    def decode(thread: int) -> set[int]:
        return {len(decoder.decoded(bodies[(turn + thread) % 6])[0]) for turn in range(100)}

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(decode, range(4))) == [{8}] * 4


@given(st.binary(max_size=60), st.integers(0, 400))
def test_broken_bytes_are_refused_or_read_and_nothing_else(noise: bytes, at: int) -> None:
    record = PredictionRecord(
        "r1", NOW, NOW.replace(tzinfo=None), "m", "v1", "champion",
        {"n": 1.0, "i": 2, "s": "text", "b": True}, 3.0, 0.1, {"note": "n"},
    )  # fmt: skip
    body = b"".join(encoded(record._replace(row_id=f"r{number}")) for number in range(8))
    at %= len(body)
    broken = body[:at] + noise + body[at + len(noise) :]
    decoder = Decoder()
    decoder.decoded(body)
    with contextlib.suppress(FieldError):  # and nothing else
        batch, _ = decoder.decoded(broken)
        taken(PLAIN, batch)


@pytest.mark.parametrize("cut", [1, 3, 100])
def test_a_body_that_is_cut_off_is_no_bson(cut: int) -> None:
    record = PredictionRecord("r1", NOW, None, "m", "v1", "champion", {}, 3.0)
    with pytest.raises(FieldError, match="body: is not BSON"):
        Decoder().decoded(encoded(record) + encoded(record)[:cut])
    with pytest.raises(FieldError, match="body: is not BSON"):
        Decoder().decoded(struct.pack("<i", 4) + b"\0" * 8)


def some_rows(numbers: Sequence[int]) -> Rows:
    ts = np.array([float(number // 3) for number in numbers])
    table = np.array([[float(number), 0.0, math.nan, 1.0] for number in numbers]).reshape(-1, 4)
    return Rows(ts, [f"r{number:04d}" for number in numbers], table)


@given(st.randoms(use_true_random=False), st.integers(1, 40), st.integers(1, 400))
def test_a_window_is_the_newest_rows_whatever_the_order(
    chance: random.Random, size: int, count: int
) -> None:
    window = Window(size, [])
    numbers = list(range(count)) * 2
    chance.shuffle(numbers)
    while numbers:
        part = [numbers.pop() for _ in range(min(len(numbers), chance.randint(1, 60)))]
        window.add(some_rows(part))

    assert window.snapshot().columns["prediction"].tolist() == [
        float(number) for number in range(max(0, count - size), count)
    ]
    assert len(window) <= size + max(size // 2, 64)


def test_rows_that_were_taken_out_are_not_there_and_may_come_again() -> None:
    window = Window(3, [])
    window.add(some_rows(range(10)))
    window.remove(["r0008", "r0003", "nobody"])
    assert window.snapshot().columns["prediction"].tolist() == [6.0, 7.0, 9.0]
    assert window.add(some_rows([8, 9])).tolist() == [True, False]
    assert window.snapshot().columns["prediction"].tolist() == [7.0, 8.0, 9.0]


def test_many_labels_are_joined_as_one_by_one() -> None:
    version = watched(reference_for(PLAIN), 50, schema=PLAIN)
    state = State(50, 1)
    state.watch(Alias.CHAMPION, version)
    state.ingest(
        PredictionRecord(f"r{n}", NOW + timedelta(seconds=n), None, "m", "v1", "champion", {}, 1.0)
        for n in range(20)
    )
    labels = [Label(f"r{n}", float(n), NOW + timedelta(seconds=60)) for n in range(0, 40, 2)]

    joined = state.join(labels)

    assert joined.lags == [60.0 - n for n in range(0, 20, 2)]
    assert [one.row_id for one in joined.without_row] == [f"r{n}" for n in range(20, 40, 2)]
    assert version.labelled.snapshot().evaluated.columns["target"].tolist() == [
        float(n) for n in range(0, 20, 2)
    ]
