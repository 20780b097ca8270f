"""The evidence is a function of the log: whoever reads it, whenever, and killed in between."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import bson
import pytest
from pymongo.collection import Collection
from support.judged_log import Judged, reference
from support.monitor_windows import watched
from support.taxi_columns import DISTANCE

from taxi_domain.models import MODEL_NAME
from taxi_domain.mongodb import PREDICTIONS, VERDICTS
from taxi_domain.verdicts import BlockState, Side
from taxi_local.mongod import Mongod
from taxi_monitor import backfill
from taxi_monitor.evidence import pursuit
from taxi_monitor.metrics.evidence_gauges import EvidenceCollector
from taxi_monitor.tailer.evidence_thread import EvidenceThread
from taxi_profiles.evidence import detector
from taxi_profiles.evidence.kinds import Kind
from taxi_store.connection import connect
from taxi_store.log import encoded_pages
from taxi_store.log.refusals import Refusals, write_slot
from taxi_store.registry.registry import Registry

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def client_of(shared_mongod: Mongod) -> Iterator[Any]:
    with connect(shared_mongod.uri, app_name="test") as client:
        yield client


@pytest.fixture
def judged(client_of: Any) -> Judged:
    return Judged(client_of[f"taxi-{uuid.uuid4().hex[:8]}"])


def fill(one: Judged, each: Any = lambda: None) -> None:
    """Log 2,000 rides and their labels by and by; some labels are there before their rides."""
    for start in range(6000, 8000, 130):
        numbers = range(start, min(start + 130, 8000))
        one.seconds += 3.0
        if start % 3 == 0:
            one.label(numbers)
            one.seconds += 2.0
            one.store(numbers)
        else:
            one.store(numbers)
            one.seconds += 4.0
            one.label(numbers, behind=2.5)
        each()
    one.seconds += 60.0
    each()


def test_kills_other_monitors_and_times_of_looking_change_nothing(
    judged: Judged, client_of: Any
) -> None:
    fill(judged)
    whole = judged.view(judged.monitor())
    expected = judged.verdicts()

    other = Judged(client_of[f"taxi-{uuid.uuid4().hex[:8]}"])
    monitors = [other.monitor(), other.monitor()]
    chance = random.Random(4)

    def look() -> None:
        place = chance.randrange(2)
        if chance.random() < 0.4:
            monitors[place] = other.monitor()  # the one before was killed
        if chance.random() < 0.7:
            other.view(monitors[place])

    fill(other, look)
    views = [other.view(one) for one in monitors]

    counted = [sum(one["side"] == side for one in expected) for side in Side]
    assert counted == [20, 19], "labels that errors do not count take no place"
    marked = [{**one, "backfilled": False} for one in expected]
    assert [{**one, "backfilled": False} for one in other.verdicts()] == marked
    for one in views:
        assert {side: (it.block, it.total) for side, it in one.verdicts.items()} == {
            side: (it.block, it.total) for side, it in whole.verdicts.items()
        }
        assert (one.kind, one.problem) == (whole.kind, "")
    streams = {stream["name"] for one in expected for stream in one["streams"]}
    assert {"harm", "gain", f"column:{DISTANCE}", "labels_outside"} <= streams


def test_a_write_that_is_cut_off_anywhere_is_gone_on_from(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    for start in range(6000, 7000, 125):
        numbers = range(start, start + 125)
        judged.seconds += 7.0
        judged.store(numbers, behind=4.0, scale=1.0 if start < 6250 else 3.0)
        judged.label(numbers, behind=2.5)
    judged.seconds += 60.0
    asked, write = list[Any](), Collection.bulk_write

    def written(collection: Any, writes: list[Any]) -> Any:
        asked.append(writes)
        return write(collection, writes)

    with monkeypatch.context() as patched:
        patched.setattr(Collection, "bulk_write", written)
        judged.view(judged.monitor())
    expected, (writes,) = judged.verdicts(), asked
    alarms = {(one["side"], one["block"]) for one in expected if one["state"] == "alarm"}
    assert ("rows", 6) in alarms
    assert ("rows", 4) not in alarms
    found = judged.database[VERDICTS]

    for count in range(1, len(writes)):
        found.delete_many({})
        found.bulk_write(writes[:count])
        problems = [judged.view(judged.monitor()).problem for _ in range(2)]

        assert (problems, len(judged.verdicts())) == (["", ""], len(expected)), count
        assert [{**one, "backfilled": True} for one in judged.verdicts()] == [
            {**one, "backfilled": True} for one in expected
        ]


def test_a_started_monitor_keeps_blocks_whose_rows_were_answered_long_ago(judged: Judged) -> None:
    judged.store(range(6000, 6250))
    judged.seconds += 11.0
    judged.view(judged.monitor())
    before = judged.verdicts()
    judged.seconds += 200 * 24 * 3600.0

    monitor = judged.monitor()
    for _ in range(2):
        assert judged.view(monitor).verdicts[Side.ROWS].block == 1
        assert judged.verdicts() == before
        judged.seconds += 3600.0  # old blocks are looked for


def test_late_rows_are_counted_and_change_no_block(judged: Judged) -> None:
    monitor = judged.monitor()
    judged.view(monitor)
    judged.store(range(6000, 6250))
    judged.seconds += 11.0
    assert judged.view(monitor).verdicts[Side.ROWS].block == 1
    before = judged.verdicts()

    judged.store(range(6300, 6307), behind=12.0)  # the clock of a machine is behind
    judged.store(range(6250, 6290))
    judged.seconds += 130.0

    assert judged.view(monitor).late_rows == 7
    assert judged.verdicts() == before, "40 more are no block yet"
    judged.store(range(6290, 6300))
    judged.seconds += 11.0
    assert [one["block"] for one in judged.verdicts()] == [0, 1]
    assert judged.view(monitor).verdicts[Side.ROWS].block == 2


def test_evidence_begins_anew_with_a_new_champion(judged: Judged) -> None:
    judged.store(range(6000, 6210), scale=1.6)
    judged.seconds += 60.0
    monitor = judged.monitor()
    before = judged.view(monitor)
    judged.promote()
    judged.seconds += 1.0
    judged.store(range(6210, 6320))
    judged.seconds += 60.0

    after, again = judged.view(monitor), judged.view(judged.monitor())

    first, second = (one.verdicts[Side.ROWS] for one in (before, after))
    assert (first.block, second.block) == (1, 2)
    assert first.state is BlockState.ALARM or (first.total or 0) > (second.total or 0)
    assert second.cursor.row_id == "r06309", "the rows of before it are none of its blocks"
    assert again.verdicts == after.verdicts


def test_a_new_champion_is_not_charged_with_what_was_before_it(judged: Judged) -> None:
    judged.store(range(6000, 6450))
    judged.seconds += 60.0
    monitor = judged.monitor()
    judged.view(monitor)
    write_slot(judged.database, "pod/1", "v1", judged.now(), Refusals(20_000, {DISTANCE: 20_000}))
    judged.seconds += 1.0
    judged.promote()
    judged.view(monitor)
    judged.seconds += 1.0
    judged.store(range(6450, 6560))
    judged.seconds += 11.0
    judged.view(monitor)
    judged.seconds += 130.0

    view = judged.view(monitor)

    assert view.verdicts[Side.ROWS].block == 4
    assert view.verdicts[Side.ROWS].scores["refused"] == 0.0
    assert view.late_rows == 0
    assert view.kind == Kind.NONE


def test_newer_rules_judge_the_whole_log_once(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged.store(range(6000, 6900))
    judged.seconds += 60.0
    judged.view(judged.monitor())
    # What was stored first is not in the log any more, so there are fewer blocks than before.
    judged.database[PREDICTIONS].delete_many({"_id": {"$lt": "r06500"}})
    monkeypatch.setattr(detector, "ENGINE", detector.ENGINE + 1)
    monkeypatch.setattr(pursuit, "ENGINE", detector.ENGINE)
    judged.seconds += 3600.0

    judged.view(judged.monitor())

    anew = judged.verdicts()
    assert [(one["block"], one["backfilled"]) for one in anew] == [(at, True) for at in range(4)]
    judged.store(range(6900, 7010))
    judged.seconds += 60.0
    judged.view(judged.monitor())
    *before, last = judged.verdicts()
    assert before == anew, "a restart goes on from there"
    assert (last["block"], last["engine"], last["backfilled"]) == (4, detector.ENGINE, False)


def test_of_other_versions_labels_no_rows_are_fetched(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged.store(range(6000, 6250))
    judged.store(range(7000, 7300))
    judged.database[PREDICTIONS].update_many(
        {"_id": {"$gte": "r07000"}}, {"$set": {"model_version": "v0"}}
    )
    judged.label(range(6000, 7300))
    judged.seconds += 60.0
    read: list[str] = []
    pages_of = encoded_pages.pages_of

    def spied(*asked: Any) -> Iterator[bytes]:
        for page in pages_of(*asked):
            read.extend(one["_id"] for one in bson.decode_all(page))
            yield page

    monkeypatch.setattr(encoded_pages, "pages_of", spied)

    view = judged.view(judged.monitor())

    assert [view.verdicts[side].block for side in Side] == [1, 1]
    assert sorted(read) == [f"r{number:05d}" for number in range(6000, 6250)]


def test_a_monitor_that_is_stopped_reads_no_page_more(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged.store(range(6000, 6250))
    judged.seconds += 60.0
    monitor = judged.monitor()
    judged.seconds += 5.0
    begun = monitor._begun

    def stopped(*asked: Any) -> Any:
        found = begun(*asked)
        monitor.stop()  # the last step before reading
        return found

    monkeypatch.setattr(monitor, "_begun", stopped)

    monitor.cycle()

    assert monitor.moved_at == judged.now().timestamp(), "the page it came to was a sign of life"
    assert judged.verdicts() == []
    assert monitor.views.of("v1") is None, "that is no problem to be told"


def test_shifts_and_faults_are_told_with_their_kind(judged: Judged) -> None:
    monitor = judged.monitor()
    judged.store(range(6000, 6700))
    judged.seconds += 60.0
    quiet = judged.view(monitor)
    judged.store(range(6700, 8700), scale=1.6)
    judged.seconds += 60.0
    shifted = judged.view(monitor)

    assert (quiet.kind, quiet.verdicts[Side.ROWS].state) == (Kind.NONE, BlockState.OK)
    assert shifted.verdicts[Side.ROWS].state is BlockState.ALARM
    assert DISTANCE in shifted.verdicts[Side.ROWS].blamed[0]
    assert shifted.kind in {Kind.BENIGN, Kind.EXPECTED_HARM}
    samples = gauges(monitor)
    assert samples["taxi_monitor_drift_kind", shifted.kind] == 1
    assert sum(value for (name, _), value in samples.items() if name.endswith("drift_kind")) == 1
    assert samples["taxi_monitor_evidence_alarm", "rows"] == 1
    assert samples["taxi_monitor_selftest_passed_ratio", "champion"] == 1
    assert ("taxi_monitor_evidence_alarm", "labels") not in samples, "what is not known is absent"
    assert ("taxi_monitor_traffic_ratio", "champion") not in samples, "the reference ends at 14:34"


def test_traffic_is_that_of_the_reference_whoever_goes_on(judged: Judged) -> None:
    for start in range(0, 4000, 400):
        judged.store(range(start, start + 400, 2))  # every other ride of the reference
        judged.seconds += 60.0
        judged.view(judged.monitor())

    monitor = judged.monitor()
    judged.view(monitor)
    assert gauges(monitor)["taxi_monitor_traffic_ratio", "champion"] == pytest.approx(0.5, rel=0.2)
    blocks = sorted(judged.verdicts(), key=lambda one: one["block"])
    rows = [one["traffic"] for one in blocks]
    stretches = {(one["hours"], one["came"]) for one in rows if one["hours"]}
    assert sum(came for _, came in stretches) == 100 * (len(rows) - 1) - rows[-1]["rows"]


def test_refused_rows_are_a_fault_of_the_data(judged: Judged) -> None:
    for start in range(6000, 7500, 100):
        judged.seconds += 15.0
        refused = Refusals(300, {DISTANCE: 300})
        write_slot(judged.database, f"pod/{start}", "v1", judged.now(), refused)
        judged.store(range(start, start + 100))
    judged.seconds += 60.0

    assert judged.view(judged.monitor()).kind == Kind.DATA_FAULT


def test_the_past_is_judged_anew_and_a_running_monitor_goes_on_from_there(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = judged.monitor()
    judged.store(range(6000, 6310))
    judged.seconds += 60.0
    judged.view(monitor)
    # As if other rules had judged the last block.
    last = f"{MODEL_NAME}/v1/rows/2"
    judged.database[VERDICTS].update_one({"_id": last}, {"$set": {"total": 77.0}})
    monkeypatch.setattr(backfill, "reader_of", lambda *_: watched(reference(), 10).reader)
    monkeypatch.setattr(Registry, "known", lambda *_: {"v1"})

    assert backfill.backfill(judged.database, judged.settings, "v1", judged.now()) == (3, 0)

    assert [one["backfilled"] for one in judged.verdicts()] == [True] * 3
    assert all(one["total"] != 77.0 for one in judged.verdicts())
    judged.database[VERDICTS].update_one({"_id": last}, {"$set": {"total": -7.0}})
    judged.store(range(6310, 6420))
    judged.seconds += 60.0
    judged.view(monitor)  # finds that somebody judged otherwise
    view = judged.view(monitor)
    assert (view.verdicts[Side.ROWS].block, view.problem) == (3, "")


def test_a_reference_without_evidence_says_so(judged: Judged) -> None:
    monitor = judged.monitor(replace(reference(), evidence={}))
    judged.store(range(6000, 6310))
    judged.seconds += 60.0

    view = judged.view(monitor)

    assert "train it anew" in view.problem
    assert (view.kind, view.verdicts, judged.verdicts()) == (None, {}, [])


def gauges(monitor: EvidenceThread) -> dict[tuple[str, str], float]:
    """Return what is exported, by name and last label."""
    collector = EvidenceCollector(monitor.state, monitor.views, "m", (), clock=lambda: 0.0)
    return {
        (sample.name, list(sample.labels.values())[-1]): sample.value
        for family in collector.collect()
        for sample in family.samples
    }
