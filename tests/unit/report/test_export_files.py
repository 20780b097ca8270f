"""Files of an export: names, types, parts, manifests, and what a folder can go through."""

import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson.datetime_ms import DatetimeMS
from bson.int64 import Int64

from taxi_domain.errors import FieldError
from taxi_report.destination import Destination, DestinationError
from taxi_report.export import layout
from taxi_report.export.days import begin_of, day_of, last_closed
from taxi_report.export.manifest import (
    File,
    LeftOut,
    Manifest,
    ManifestError,
    VersionFiles,
    manifest_of,
)
from taxi_report.export.parts import Parts
from taxi_report.export.tables import table_of, table_schema
from taxi_report.export.verify import differences, models_of
from taxi_schema.reading import schema_of
from taxi_store.log.partitions import LabelValue

DAY = date(2021, 3, 1)
SCHEMA = schema_of({
    "id": "key",
    "target": {"name": "price"},
    "columns": [
        {"name": "id", "kind": "number"},
        {"name": "zone", "kind": "category", "minimum": 1, "maximum": 2**53},
        {"name": "shop", "kind": "category"},
        {"name": "open", "kind": "boolean", "nullable": True},
    ],
})  # fmt: skip
TS = DatetimeMS(1_614_600_000_123)


def document(**changes: Any) -> dict[str, Any]:
    return {
        "_id": "a", "ts": TS, "event_time": DatetimeMS(1_614_600_000_000), "model_version": "v",
        "model_role": "champion", "prediction": 2, "latency_seconds": 0.5,
        "inputs": {"id": 1.5, "zone": Int64(7), "shop": "x", "open": True}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "folder"),
    [
        ("taxi-duration", "model=taxi-duration"), ("a/b=c:d", "model=a%2Fb%3Dc%3Ad"),
        ("100%", "model=100%25"), ("..", "model=.."), ("é ü", "model=é ü"), ("\x01", "model=%01"),
    ],
)  # fmt: skip
def test_values_of_partitions_are_escaped_as_hive_does(value: str, folder: str) -> None:
    assert layout.hive("model", value) == folder


def test_types_are_those_of_the_schema_and_no_name_collides() -> None:
    table, unread = table_of([document()], SCHEMA, {"a": LabelValue(3.0, int(TS) + 1)})
    assert table.schema == table_schema(SCHEMA)
    assert dict(zip(table.schema.names, table.schema.types, strict=True))["inputs"] == pa.struct(
        [("id", pa.float64()), ("zone", pa.int64()), ("shop", pa.string()), ("open", pa.bool_())]
    )
    (row,) = table.to_pylist()
    assert row["id"] == "a"
    assert row["inputs"] == {"id": 1.5, "zone": 7, "shop": "x", "open": True}
    assert row["answered_at"] == datetime(2021, 3, 1, 12, 0, 0, 123_000, UTC)
    assert row["event_time"] == datetime(2021, 3, 1, 12)  # noqa: DTZ001 - local
    assert row["labelled_at"] - row["answered_at"] == timedelta(milliseconds=1)
    assert (row["prediction"], row["label"], row["extra"]) == (2.0, 3.0, None)
    assert not unread


def test_what_has_another_type_is_null_and_counted_by_column() -> None:
    odd = [
        document(inputs={"id": "1", "zone": 7.5, "shop": 3, "open": 1}),
        document(inputs={"id": math.inf, "zone": 2**63, "shop": {}, "open": None}),
        document(inputs={}, event_time=DatetimeMS(2**62), latency_seconds=True, model_role=3),
    ]
    table, unread = table_of(odd, SCHEMA, {})
    assert dict(unread) == {"id": 2, "zone": 2, "shop": 2, "open": 1}
    assert all(set(row.values()) == {None} for row in table["inputs"].to_pylist())
    last = table.to_pylist()[2]
    names = ("event_time", "latency_seconds", "model_role", "label", "labelled_at")
    assert [last[name] for name in names] == [None] * 5


def test_extra_fields_are_sorted_json() -> None:
    extra = {"b": Int64(2**53), "a": "é", "n": None, "t": TS, "x": math.nan, "f": False}
    table, _ = table_of([document(extra=extra)], SCHEMA, {})
    text = table["extra"][0].as_py()
    assert text == (
        '{"a": "é", "b": 9007199254740992, "f": false, "n": null, "t": "1614600000123", "x": null}'
    )
    assert json.loads(text)["b"] == 2**53


def rows(start: int, end: int) -> pa.Table:
    return table_of([document(_id=f"{n:06d}") for n in range(start, end)], SCHEMA, {})[0]


def test_parts_end_when_they_are_large_and_the_same_rows_give_the_same_bytes(
    tmp_path: Path,
) -> None:
    def written(name: str) -> tuple[list[File], Destination]:
        destination = Destination(str(tmp_path / name))
        parts = Parts(destination, "d", table_schema(SCHEMA), part_bytes=8_000)
        for start in range(0, 6000, 1000):
            parts.add(rows(start, start + 1000))
        parts.end()
        return parts.files, destination

    files, destination = written("first")
    assert len(files) > 1
    assert [file.name for file in files][:2] == ["d/part-0000.parquet", "d/part-0001.parquet"]
    assert sum(file.rows for file in files) == 6000
    assert written("second")[0] == files
    first = pq.read_metadata(tmp_path / "first" / files[0].name)
    assert {first.row_group(place).num_rows for place in range(first.num_row_groups)} == {1000}
    ids = [
        row_id
        for file in files
        for row_id in pq.ParquetFile(tmp_path / "first" / file.name).read()["id"].to_pylist()
    ]
    assert ids == [f"{n:06d}" for n in range(6000)]
    assert destination.files("d") == [file.name for file in files]


def manifest() -> Manifest:
    file = File("model=m/model_version=v/date=2021-03-01/part-0000.parquet", "0" * 64, 3, 2)
    return Manifest(
        "m", DAY, "UTC", {"v": VersionFiles("1" * 64, [file], {"zone": 1})},
        {"w": LeftOut(4, "is gone")}, {"predictions.inputs": 2}, 1,
    )  # fmt: skip


def test_a_manifest_reads_as_it_was_written() -> None:
    name = layout.manifest_name("m", DAY)
    assert manifest_of(name, manifest().to_json()) == manifest()
    assert layout.day_of_manifest(name) == DAY
    assert layout.day_of_manifest(f"{name}.tmp") is None
    with pytest.raises(ManifestError, match="is damaged"):
        manifest_of(name, manifest().to_json()[:-20])
    with pytest.raises(ManifestError, match="its format is 2, this release has 1"):
        manifest_of(name, manifest().to_json().replace(b'"format": 1', b'"format": 2'))


def test_verification_names_what_differs(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path))
    destination.write(layout.manifest_name("m", DAY), manifest().to_json())
    (name,) = [file.name for file in manifest().files]

    def found() -> list[str]:
        assert models_of(destination) == ["model=m"]
        ((files, problems),) = differences(destination, "model=m")
        assert files == 1
        return problems

    assert found() == [f"{name}: is missing"]
    destination.write(name, b"ab")
    assert found() == [f"{name}: has 2 bytes, the manifest says 3"]
    destination.write(name, b"abc")
    destination.write(name.replace("0000", "0001"), b"")
    assert found() == [
        f"{name}: has other content than the manifest says",
        f"{name.replace('0000', '0001')}: is in no manifest",
    ]


def test_verification_names_the_files_of_days_without_a_manifest(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path))
    (name,) = [file.name for file in manifest().files]
    destination.write(name, b"abc")
    other = name.replace("=v", "=w").replace("part-", ".part-")
    destination.write(other, b"")

    ((files, problems),) = differences(destination, "model=m")

    assert files == 0
    assert problems == [f"{name}: its day has no manifest", f"{other}: its day has no manifest"]
    destination.write(layout.manifest_name("m", DAY), b"damaged")
    ((_, problems),) = differences(destination, "model=m")
    assert len(problems) == 1
    assert "is damaged" in problems[0]


def test_a_destination_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    destination = Destination(str(tmp_path / "file"))
    with pytest.raises(DestinationError, match=r"file: a/b cannot be written \(Not a directory\)"):
        destination.write("a/b", b"1")
    with pytest.raises(DestinationError, match="cannot be opened"):
        Destination("nowhere://a")


@pytest.mark.parametrize(
    "url",
    [
        "nowhere://user:s3cr3t@host/a", "ftp://user:s3cr3t@127.0.0.1:9/a",
        "ftp://user:s3cr3t/more@127.0.0.1:9/a", "nowhere://user:a%40s3cr3t@host/a",
        "simplecache::nowhere://user:s3cr3t@host/a", "ftp://127.0.0.1:s3cr3t@/a",
    ],
)  # fmt: skip
def test_passwords_of_a_destination_are_never_told(url: str) -> None:
    with pytest.raises(DestinationError) as caught:
        Destination(url).files("")
    assert "s3cr3t" not in str(caught.value)
    assert "://" in str(caught.value)


def test_a_url_without_a_user_is_told_as_it_is() -> None:
    with pytest.raises(DestinationError, match=r"^nowhere://bucket/a@b: cannot be opened"):
        Destination("nowhere://bucket/a@b")


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys\n"
        "from taxi_report.destination import Destination\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "Destination(sys.argv[1]).write('a/part-0000.parquet', b'x' * 100_000)\n"
    )

    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(tmp_path)], capture_output=True, text=True,
        check=False, env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip

    assert "a/part-0000.parquet cannot be written (File too large); name a folder" in done.stderr
    assert list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "year"),
    [
        ("America/Havana", 2018), ("America/Sao_Paulo", 2018), ("Africa/Cairo", 2018),
        ("UTC", 2018), ("America/St_Johns", 2010), ("Pacific/Apia", 2011),
        ("America/Toronto", 1919),
    ],
)  # fmt: skip
def test_days_of_a_zone_have_no_gap_also_where_midnight_changes(name: str, year: int) -> None:
    zone = ZoneInfo(name)
    moment = datetime(year, 1, 1, tzinfo=UTC)
    while moment < datetime(year + 1, 1, 1, tzinfo=UTC):
        day = day_of(moment, zone)
        assert begin_of(day, zone) <= moment < begin_of(day + timedelta(days=1), zone)
        moment += timedelta(minutes=30)


def test_a_day_that_began_goes_on_where_clocks_go_back_over_midnight() -> None:
    zone = ZoneInfo("America/St_Johns")
    # One minute after midnight, at 02:31 UTC, clocks went back to 23:01 of the day before.
    moment = datetime(2010, 11, 7, 2, 50, tzinfo=UTC)
    assert moment.astimezone(zone).date() == date(2010, 11, 6)
    assert day_of(moment, zone) == date(2010, 11, 7)


def test_a_day_is_closed_some_time_after_its_end() -> None:
    zone = ZoneInfo("America/New_York")
    # 00:00 of 3 March in New York.
    midnight = datetime(2021, 3, 3, 5, tzinfo=UTC)
    day = timedelta(hours=24)
    assert last_closed(midnight, day, zone) == midnight - day
    assert last_closed(midnight - timedelta(milliseconds=1), day, zone) == midnight - 2 * day


def test_a_day_is_given_as_a_date() -> None:
    assert layout.read_day("--from", " 2021-03-01 ") == DAY
    with pytest.raises(FieldError, match="--from: '2021-03-01T08:00' is no day; give it as"):
        layout.read_day("--from", "2021-03-01T08:00")
