"""The verdict's history in a real mongod: idempotent, chosen for charts, bounded."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pymongo.collection import Collection
from pymongo.database import Database

from taxi_domain.errors import FieldError
from taxi_domain.mongodb import PREDICTIONS, VERDICTS
from taxi_domain.verdicts import BlockState, Side
from taxi_local.mongod import Mongod
from taxi_store.admin.indexes import ensure_indexes, ensure_verdict_indexes
from taxi_store.connection import Document, connect
from taxi_store.log.encoded_pages import of_version, stored_in
from taxi_store.log.newest_values import newest_values
from taxi_store.log.stored_order import EARLIEST, first_stored
from taxi_store.verdicts.block_verdict import BlockTraffic, BlockVerdict, Cursor
from taxi_store.verdicts.verdicts import (
    KEPT_DETECTORS,
    Span,
    append,
    blocks_of,
    chart_points,
    judged_versions,
    last_verdict,
    newest_verdict,
    prune,
)

pytestmark = pytest.mark.component

START = datetime(2021, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOSTILE = "$column:a.b$\N{SNOWMAN}"


@pytest.fixture
def database(shared_mongod: Mongod) -> Iterator[Database[Document]]:
    with connect(shared_mongod.uri, app_name="test") as client:
        found = client[f"verdicts-{uuid.uuid4().hex[:8]}"]
        ensure_verdict_indexes(found)
        yield found
        client.drop_database(found.name)


def verdict(block: int = 0, version: str = "v1", side: Side = Side.ROWS) -> BlockVerdict:
    begin = START + block * MINUTE
    return BlockVerdict(
        model="m", version=version, side=side, block=block, rows=500, first_ts=begin,
        last_ts=begin + MINUTE, cursor=Cursor(begin + MINUTE, f"r{block}"),
        scores={"column:distance": 0.25, HOSTILE: 0.5}, evidence={"column:distance": 1.5},
        groups={"inputs": 1.25}, total=0.5, threshold=2.3, state=BlockState.OK, kind="None",
        blamed=("column:distance",), problems={"harm": "no label yet"}, detector=b"\0state",
        engine=1, traffic=BlockTraffic(1.6e9 + 0.1, 120, 3.25, 480, 512.5),
    )  # fmt: skip


def span(version: str | None = None, blocks: int = 10_000) -> Span:
    return Span("m", Side.ROWS, START, START + blocks * MINUTE, (version,) if version else ())


def test_a_verdict_comes_back_as_it_was_written(database: Database[Document]) -> None:
    assert append(database, verdict())
    assert append(database, verdict())

    assert last_verdict(database, "m", "v1", Side.ROWS) == verdict()
    assert last_verdict(database, "m", "v1", Side.LABELS) is None
    assert newest_verdict(database, "m", "v1", Side.ROWS) == replace(verdict(), detector=b"")
    assert database[VERDICTS].count_documents({}) == 1


def test_older_rules_do_not_replace_newer_ones(database: Database[Document]) -> None:
    newer = replace(verdict(), engine=2, kind="Benign")

    assert append(database, newer)
    assert not append(database, verdict())
    assert last_verdict(database, "m", "v1", Side.ROWS) == newer
    assert append(database, replace(newer, engine=3))


def test_only_the_newest_blocks_keep_their_detector(database: Database[Document]) -> None:
    for block in range(10):
        append(database, verdict(block))
    database[VERDICTS].update_one({"_id": "m/v1/rows/9"}, {"$set": {"kind": None, "rows": "many"}})

    assert database[VERDICTS].count_documents({"detector": {"$ne": b""}}) == KEPT_DETECTORS
    # One that is damaged is passed over.
    assert last_verdict(database, "m", "v1", Side.ROWS) == verdict(8)


def test_blocks_that_are_written_together_are_as_one_by_one(database: Database[Document]) -> None:
    newer = replace(verdict(3), engine=2, kind="Benign")
    append(database, *(verdict(block) for block in range(3)), newer)

    assert not append(database, *(verdict(block) for block in range(2, 12)))

    kept = [replace(newer, detector=b"") if n == 3 else verdict(n) for n in range(12)]
    found = blocks_of(database, [one.verdict_id for one in kept])
    assert found == {one.verdict_id: replace(one, detector=b"") for one in kept}
    assert database[VERDICTS].count_documents({"detector": {"$ne": b""}}) == KEPT_DETECTORS
    assert last_verdict(database, "m", "v1", Side.ROWS) == verdict(11)


def test_what_a_cut_write_left_behind_goes_with_the_next_block(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Collection.bulk_write
    both = [verdict(block, side=side) for block in range(300, 320) for side in Side]
    with monkeypatch.context() as patched:
        patched.setattr(Collection, "bulk_write", lambda it, writes: write(it, writes[: len(both)]))
        append(database, *both)
    assert last_verdict(database, "m", "v1", Side.ROWS) == verdict(319)
    kept = {"detector": {"$ne": b""}}
    assert database[VERDICTS].count_documents(kept) == len(both)

    append(database, verdict(320), verdict(320, side=Side.LABELS))

    found = database[VERDICTS].find(kept)
    assert sorted((one["side"], one["block"]) for one in found) == [
        (side, block) for side in ("labels", "rows") for block in range(317, 321)
    ]


def test_a_write_reads_no_blocks_of_long_ago(database: Database[Document]) -> None:
    for block in range(200):
        append(database, verdict(block))
    database.command("profile", 2)
    append(database, verdict(200))
    database.command("profile", 0)

    read = database["system.profile"].find({"ns": f"{database.name}.{VERDICTS}"})
    assert 0 < sum(one["docsExamined"] for one in read) < 100


def test_a_chart_has_every_block_of_a_span_when_they_are_few(database: Database[Document]) -> None:
    for block in range(6):
        append(database, verdict(block))
    append(database, verdict(0, "v2"))
    append(database, verdict(0, side=Side.LABELS))

    found = chart_points(database, span("v1", 5), streams=(HOSTILE,))

    assert [one.block for one in found] == [0, 1, 2, 3, 4]
    assert {tuple(one.scores.items()) for one in found} == {((HOSTILE, 0.5),)}
    assert {one.detector for one in found} == {b""}
    assert {one.traffic for one in found} == {verdict().traffic}
    assert len(chart_points(database, span())) == 7


def test_a_chart_of_many_blocks_keeps_those_with_most_evidence(
    database: Database[Document],
) -> None:
    peaks = {17: 3.5, 55: 2.5}
    for block in range(100):
        total = peaks.get(block, block / 1000)
        append(database, replace(verdict(block), total=total, detector=b""))
    # Without evidence, but there.
    append(database, replace(verdict(100), total=None, detector=b""))

    found = chart_points(database, span(), points=10)

    assert len(found) == 10
    assert {one.block: one.total for one in found}.items() >= peaks.items()
    assert all(one.last_ts < other.last_ts for one, other in pairwise(found))


@pytest.mark.parametrize("points", [0, 501])
def test_a_chart_has_a_bound(database: Database[Document], points: int) -> None:
    with pytest.raises(FieldError, match=r"points: .* is out of range; give 1 to 500"):
        chart_points(database, span(), points=points)


def test_versions_are_listed_newest_first(database: Database[Document]) -> None:
    for block in range(3):
        append(database, verdict(block))
    append(database, verdict(7, "v2"))

    newest, oldest = judged_versions(database, "m")

    assert (newest.version, newest.blocks) == ("v2", 1)
    assert (oldest.version, oldest.blocks) == ("v1", 3)
    assert (oldest.first_ts, oldest.last_ts) == (START + MINUTE, START + 3 * MINUTE)
    assert judged_versions(database, "another") == []


def test_pruning_bounds_each_side_and_forgets_versions_of_long_ago(
    database: Database[Document],
) -> None:
    for block in range(12):
        append(database, verdict(block))
    for version in ("old", "idle"):
        append(database, verdict(0, version))
    now = START + timedelta(days=30)

    def pruned(watched: tuple[str, ...], keep_blocks: int = 10) -> int:
        return prune(
            database, "m", watched=watched, keep_blocks=keep_blocks, keep_age=timedelta(days=7),
            now=now,
        )  # fmt: skip

    assert pruned(("v1", "idle")) == 3
    assert pruned(("v1", "idle")) == 0
    assert {one.version: one.blocks for one in judged_versions(database, "m")} == {
        "v1": 10, "idle": 1,
    }  # fmt: skip
    assert last_verdict(database, "m", "v1", Side.ROWS) == verdict(11)
    with pytest.raises(FieldError, match="keep_blocks"):
        pruned((), keep_blocks=1)


def test_what_a_chart_chooses_by_is_in_the_index(database: Database[Document]) -> None:
    for block in range(50):
        append(database, verdict(block))
    fields = {"_id": 0, "last_ts": 1, "block": 1, "version": 1, "total": 1}
    for wanted in (span(), replace(span("v1"), role="champion")):
        plan = database[VERDICTS].find(wanted.query(), fields).explain()

        assert plan["executionStats"]["totalDocsExamined"] == 0


def test_a_chart_of_a_role_has_the_blocks_that_were_judged_in_it(
    database: Database[Document],
) -> None:
    for block in range(3):
        append(database, verdict(block))  # of before roles were kept
    append(database, replace(verdict(3), role="fallback"))
    append(database, replace(verdict(4), role="champion"))
    append(database, replace(verdict(5, "v2"), role="champion"))
    append(database, replace(verdict(6, "v3"), role="fallback"))
    append(database, verdict(7, "v3"))

    found = chart_points(database, replace(span(), versions=("v1", "v2"), role="champion"))

    assert [one.block for one in found] == [0, 1, 2, 4, 5]
    assert [one.role for one in found] == ["", "", "", "champion", "champion"]
    versions = judged_versions(database, "m", "champion")
    assert {one.version: (one.blocks, one.role) for one in versions} == {
        "v1": (4, "champion"), "v2": (1, "champion"), "v3": (1, ""),
    }  # fmt: skip


def test_rows_of_a_rare_version_are_found_in_the_order_of_storing(
    database: Database[Document],
) -> None:
    ensure_indexes(database)
    versions = {"rare": (7, 80), "usual": range(300)}
    database[PREDICTIONS].insert_many(
        {"_id": f"{version}{number}", "ts": START, "stored_at": START + number * MINUTE,
         "model_version": version,
         **({"shadow": [{"model_version": "rare"}]} if number == 200 else {})}
        for version, numbers in versions.items() for number in numbers
    )  # fmt: skip
    wanted = {**stored_in(EARLIEST, START + 250 * MINUTE), **of_version("rare")}

    found = database[PREDICTIONS].find(wanted, sort=[("stored_at", 1)])

    assert [one["_id"] for one in found] == ["rare7", "rare80", "usual200"]
    plan = found.rewind().explain()["executionStats"]
    assert plan["totalDocsExamined"] == 3
    assert first_stored(database, "rare") == START + 7 * MINUTE


def test_the_newest_values_of_a_column_are_read_as_they_were_sent(
    database: Database[Document],
) -> None:
    documents: list[Document] = [
        {"_id": f"r{number}", "ts": START + number * MINUTE, "model_version": "v1",
         "inputs": {"shop": f"s{number}"}}
        for number in range(5)
    ]  # fmt: skip
    documents += [
        {"_id": "odd", "ts": START + 9 * MINUTE, "model_version": "v1", "inputs": 7},
        {"_id": "without", "ts": START + 8 * MINUTE, "model_version": "v1", "inputs": {}},
        {"_id": "other", "ts": START + 9 * MINUTE, "model_version": "v2", "inputs": {"shop": "x"}},
    ]
    database[PREDICTIONS].insert_many(documents)

    assert newest_values(database, "v1", "shop", 4) == ["s4", "s3"]
