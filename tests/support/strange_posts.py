"""Posts that no client would send: broken framing, what is no JSON, and values out of place."""

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import bson

Fields = Mapping[str, bytes]

JSON: Final = b"application/json"
EVENT: Final = b"application/cloudevents+json"
EVENTS: Final = b"application/cloudevents-batch+json"
BSON: Final = b"application/bson"
#: Names under which doors look for a list.
LISTS: Final = ("rows", "records", "labels")
#: A row and its label, for doors that take either.
ROW: Final[Mapping[str, object]] = {
    "ride_id": "strange-1", "PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66,
    "lpep_pickup_datetime": "2021-03-01T10:00:00", "duration": 12.5,
}  # fmt: skip
RECORD: Final[Mapping[str, object]] = {
    "_id": "strange-2", "ts": "2026-01-01T10:00:00Z", "event_time": "2021-03-01T10:00:00",
    "model": "taxi-duration", "model_version": "v", "model_role": "champion",
    "inputs": {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66},
    "prediction": 12.5, "latency_seconds": 0.01,
    "shadow": [{"model_version": "v", "prediction": 1.5}], "extra": {"tip": 1},
}  # fmt: skip
ATTRIBUTES: Final[Mapping[str, object]] = {
    "specversion": "1.0", "source": "strange", "time": "2026-01-01T10:00:00Z", "endpoint": "",
}  # fmt: skip
#: JSON, or nearly, of values that no field is meant to have.
VALUES: Final = (
    b"null", b"true", b"-1", b"-0.0", b"1e308", b"1e-400", b"1e400", b"NaN", b"-Infinity",
    b"9223372036854775808", b"18446744073709551616", b"1" + b"0" * 400, b"7" * 6000,
    b'""', b'"\\u0000"', b'"\\ud800"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"$where"', b'"a.b"',
    b'"<script>alert(1)</script>"', b'"../../etc/passwd"', b'"\xf0\x9f\x9a\x95"',
    b'"' + b"x" * 200 + b'"', b'"' + b"x" * 10_000 + b'"', b'"NaN"', b'"1e400"',
    b'"9999-12-31T23:59:59-14:00"', b'"0001-01-01T00:00:00+14:00"', b'"2021-02-30T25:61"',
    b"[]", b"{}", b"[null]", b'{"$gt": 1}', b'{"": {"a.b": [1]}}', b'[["a", "a"], {"a": {}}]',
    b'{"a": 1, "a": 2, "\\u0000": 3}', b"[" * 150 + b"]" * 150, b'{"a":' * 150 + b"1" + b"}" * 150,
    b"[" * 5000 + b"]" * 5000,
)  # fmt: skip
#: Names of fields.
NAMES: Final = (
    b"", b"\\u0000", b"\\ud800", b"$set", b"a.b", b"__proto__", b"_id", b"x" * 5000, b"inputs.$x",
)  # fmt: skip
#: Whole bodies.
BODIES: Final = (
    b"", b" ", b"{", b"}", b"nul", b"'a'", b"{} {}", b"[1,]", b'{"rows": [', b'{"rows"', b"\0",
    b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"\x80" * 3000, b"[" * 1000, b"[" * 200_000,
    b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"rows":' + b"[" * 1200 + b"]" * 1200,
    b"[" + b"{}," * 20_000 + b"{}]", b'{"rows": [' + b"0," * 200_000 + b"0]}",
    b'{"labels": [], "labels": 1, "records": {}, "rows": ""}', b'"' + b"\\u0000" * 20_000 + b'"',
    b"rows=1&labels=2", b"\x1f\x8b\x08\0\0\0\0\0", b"--x\r\nContent-Disposition: form-data\r\n\r\n",
)  # fmt: skip
_OF_RECORDS: Final = (b"/v1/records", b"/v1/predictions")
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
#: Headers, and what follows them.
FRAMINGS: Final = (
    *((_CHUNKED, one) for one in (
        b"", b"0", b"0\r\n", b"0\r\n\r\n", b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}0\r\n\r\n", b"ffffffffffffffffffff\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n",
        b"0x2\r\n{}\r\n0\r\n\r\n", b" 2\r\n{}\r\n0\r\n\r\n", b"2;\r\r\n{}\r\n0\r\n\r\n",
        b"2;" + b"e" * 50_000 + b"\r\n{}\r\n0\r\n\r\n", b"2" * 50_000, b"f" * 9000 + b"\r\n{}",
        b"2\r\n{}\r\n0\r\nX : y\r\n\r\n", b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n", b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\nGET",
        b"1\r\n[\r\n" * 5000,
    )),
    *((b"Content-Length: %b\r\n" % one, b"{}") for one in (
        b"3", b"99999999999999999999", b"9" * 5000, b"+2", b"0x2", b"2_0", b"2.0", b"\xb2",
        b"\xbd", b"", b"2\r\nContent-Length: 3",
    )),
    *((b"Content-Length: 2\r\n" + one, b"{}") for one in (
        b"Content-Encoding: gzip\r\n", b"Content-Encoding: \xff\r\n", b"Expect: 100-continue\r\n",
        b"Expect: \r\n", b"Connection: close, \xff\r\n", b"Content-Type: \xff/\0\r\n",
        b"Content-Type: application/json\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n", b"X-HTTP-Method-Override: DELETE\r\n",
    )),
    (b"", b"{}"),
)  # fmt: skip
KINDS: Final = (
    JSON, EVENT, EVENTS, BSON, b"", b"text/plain", b"application/json; charset=\xff", b"a" * 3000,
    b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
)  # fmt: skip
#: Of events in the binary mode of HTTP.
CE_HEADERS: Final = (
    b"Ce-Id: \xff\r\n", b"Ce-Id: %00\r\n", b"Ce-Id: %ED%A0%80\r\n",
    b"Ce-Id: " + b"x" * 5000 + b"\r\n",
    b"Ce-Time: 9999-12-31T23:59:59-14:00\r\n", b"Ce-Specversion: 1.\xb2\r\n", b"Ce-Type: \xff\r\n",
    b"Ce-Endpoint: $where\r\n", b"Ce-Modelversion: %00\r\n", b"Ce-Inferenceservicename: %zz\r\n",
    b"Ce-Source: \r\n", b"Ce-Extension: %FF\r\n",
)  # fmt: skip


def strange_posts(path: bytes, rights: bytes = b"", version: str = "v") -> Iterator[bytes]:
    """Yield posts to a door; some are good, so that they come as far as good ones do.

    Args:
        path: Of the door.
        rights: Header lines that open it.
        version: Of the model that the server has.
    """
    item = {**RECORD, "model_version": version} if path in _OF_RECORDS else ROW
    good = {name: json.dumps(value).encode() for name, value in item.items()}
    for head, body in FRAMINGS:
        yield _begun(path, rights) + b"Content-Type: %b\r\n%b\r\n%b" % (JSON, head, body)
    for kind, body in (
        *((kind, _lists([_object(good)])) for kind in KINDS),
        *((kind, body) for kind in _kinds(path) for body in BODIES),
        *(one for place, value in enumerate(VALUES) for one in _bodies(path, good, value, place)),
    ):
        yield _post(path, rights, kind, body)
    if BSON in _kinds(path):
        for body in _strange_bson({**RECORD, "model_version": version}):
            yield _post(path, rights, BSON, body)
    if EVENT in _kinds(path):
        for header in CE_HEADERS:
            for half in (b"request", b"response"):
                yield _binary(path, rights, header, half, good)


def _kinds(path: bytes) -> tuple[bytes, ...]:
    """Return what a door may take."""
    return {b"/v1/events": (EVENT, EVENTS), b"/v1/predictions": (JSON, BSON)}.get(path, (JSON,))


def _bodies(path: bytes, good: Fields, value: bytes, place: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield bodies with a value at each place where one is looked for."""
    if EVENTS in _kinds(path):
        events = [value, *_events(good, value, place)]
        yield EVENTS, b"[%b]" % b",".join(events)
        yield from ((EVENT, one) for one in events[:5])
        return
    items = list(_items(good, value))
    yield JSON, value
    yield JSON, _lists([value])
    yield JSON, _lists(items)
    yield JSON, _lists([_object(good), *items[:3]])
    yield JSON, b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), value) for name in LISTS)
    if path == b"/predict":
        yield from ((JSON, item) for item in items)


def _items(good: Fields, value: bytes) -> Iterator[bytes]:
    """Yield items that have a value in place of another one."""
    yield _object(good)
    for name in good:
        yield _object({**good, name: value})
        yield _object({one: text for one, text in good.items() if one != name})
    yield _object(dict.fromkeys(good, value))
    for other in NAMES:
        field = b'"%b":%b' % (other, value)
        yield b"%b,%b}" % (_object(good)[:-1], field)
        yield _object({**good, "inputs": b"{%b}" % field})
        yield _object({**good, "extra": b"{%b}" % field})
    yield _object({**good, "inputs": b'{"PULocationID":%b,"trip_distance":%b}' % (value, value)})
    yield _object({**good, "shadow": b"[%b]" % value})
    yield _object({**good, "shadow": b'[{"model_version":%b,"prediction":%b}]' % (value, value)})


def _events(good: Fields, value: bytes, place: int) -> Iterator[bytes]:
    """Yield pairs of events; a value is in one of the attributes, or in the data of one half."""
    attributes = {name: json.dumps(one).encode() for name, one in ATTRIBUTES.items()}
    row = _object(good)
    changes: list[tuple[dict[str, bytes], bytes, bytes]] = [
        ({}, row, value), ({}, value, b"1.5"), ({}, _object(dict.fromkeys(good, value)), b"1.5"),
        ({}, _object({**good, "tip": value}), b"1.5"), ({}, row, b"[%b]" % value),
        *(({name: value}, row, b"1.5") for name in (*attributes, "id", "modelversion", "data")),
        ({"data_base64": value}, row, b"1.5"),
    ]  # fmt: skip
    for number, (changed, instance, prediction) in enumerate(changes):
        for half, data in (
            ("request", b'{"instances":[%b]}' % instance),
            ("response", b'{"predictions":[%b]}' % prediction),
        ):
            yield _object({
                **attributes, "id": b'"strange-%d-%d"' % (place, number), "data": data,
                "type": b'"org.kubeflow.serving.inference.%b"' % half.encode(), **changed,
            })  # fmt: skip


def _binary(path: bytes, rights: bytes, header: bytes, half: bytes, good: Fields) -> bytes:
    name = b"instances" if half == b"request" else b"predictions"
    body = b'{"%b":[%b]}' % (name, _object(good) if half == b"request" else b"1.5")
    usual = {
        b"Ce-Id": b"strange-" + header[3:6], b"Ce-Specversion": b"1.0", b"Ce-Source": b"x",
        b"Ce-Type": b"org.kubeflow.serving.inference." + half,
    }  # fmt: skip
    kept = b"".join(
        b"%b: %b\r\n" % one for one in usual.items() if not header.startswith(one[0] + b":")
    )
    return _post(path, rights + kept + header, b"application/x-www-form-urlencoded", body)


def _strange_bson(item: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield documents of records that are cut off, changed, or of other types."""
    record = {
        **item, "ts": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "event_time": datetime(2021, 3, 1, 10, tzinfo=UTC),
    }  # fmt: skip
    one = bson.encode(record)
    yield one
    whole = b"".join(bson.encode({**record, "_id": f"strange-{number}"}) for number in range(8))
    yield whole
    for size in (1, 4, 5, len(one) - 1, len(one) + 3, len(whole) - 1):
        yield whole[:size]
    for length in (-1, 0, 4, 5, len(one) - 1, len(one) + 1, 2**31 - 1):
        yield length.to_bytes(4, "little", signed=True) + one[4:]
        yield whole + length.to_bytes(4, "little", signed=True) + one[4:]
    for value in (None, b"\0" * 9, {"a": {"b": [1]}}, [1], 2**62, float("nan"), "\0", True, ""):
        for name in record:
            other = bson.encode({**record, "_id": "strange-9", name: value})
            yield other
            yield other * 5
    yield b"\x05\0\0\0\0" * 10_001
    changes = random.Random(5)
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(changes.randint(1, 4)):
            changed[changes.randrange(len(changed))] = changes.randrange(256)
        yield bytes(changed)


def _object(fields: Fields) -> bytes:
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), one) for name, one in fields.items())


def _lists(items: list[bytes]) -> bytes:
    """Return a body that has items under every name that a door may look for."""
    listed = b",".join(items)
    return b"{%b}" % b",".join(b'"%b":[%b]' % (name.encode(), listed) for name in LISTS)


def _begun(path: bytes, rights: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%b" % (path, rights)


def _post(path: bytes, rights: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
    return _begun(path, rights) + head + body
