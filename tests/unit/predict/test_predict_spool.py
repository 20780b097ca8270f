"""Segments of the spool: what was answered is read, once, also after crashes and damage."""

import itertools
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_predict.spool.reader import SpoolReader
from taxi_predict.spool.segments import SUFFIX, UNNAMED, SegmentReader, frame
from taxi_predict.spool.writer import SpoolFullError, SpoolWriter, bytes_of

ROOM = 1 << 20


def records(count: int, start: int = 0) -> list[bytes]:
    return [f"record {number:04d}".encode() for number in range(start, start + count)]


def spool_of(folder: Path, payloads: list[bytes], *, closed: bool = True) -> SpoolWriter:
    spool = SpoolWriter(folder, ROOM)
    for payload in payloads:
        spool.append([payload])
    if closed:
        spool.close()
    return spool


def read_all(reader: SpoolReader, most: int = 3) -> list[bytes]:
    found: list[bytes] = []
    while waiting := reader.next(most).parts:
        for _, batch in waiting:
            found += batch.payloads
        for segment, batch in waiting:
            segment.confirm(batch)
    return found


def segment_of(folder: Path) -> Path:
    (found,) = folder.glob(f"*{SUFFIX}")
    return found


def overwrite(path: Path, position: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=40), st.integers(1, 9))
def test_what_is_appended_is_read_in_order(payloads: list[bytes], most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool_of(Path(folder), payloads)

        assert read_all(SpoolReader(Path(folder)), most) == payloads
        assert not list(Path(folder).glob(f"*{SUFFIX}")), "what is delivered is removed"


def test_records_are_read_while_their_writer_goes_on(tmp_path: Path) -> None:
    spool = spool_of(tmp_path, records(5), closed=False)
    reader = SpoolReader(tmp_path)

    assert read_all(reader) == records(5)
    spool.append(records(2, start=5))
    assert read_all(reader) == records(2, start=5)
    assert segment_of(tmp_path).exists()


def test_a_successor_goes_on_behind_what_was_confirmed(tmp_path: Path) -> None:
    spool_of(tmp_path, records(10))
    first = SpoolReader(tmp_path).next(4)
    for segment, batch in first.parts:
        segment.confirm(batch)

    assert first.payloads == records(4)
    assert read_all(SpoolReader(tmp_path)) == records(6, start=4)


def test_what_was_not_confirmed_is_read_again(tmp_path: Path) -> None:
    spool_of(tmp_path, records(3))

    assert SpoolReader(tmp_path).next(9).payloads == records(3)
    assert SpoolReader(tmp_path).next(9).payloads == records(3)


def test_a_torn_last_record_was_never_answered(tmp_path: Path) -> None:
    spool_of(tmp_path, records(3))
    whole = frame(records(1)[0])
    overwrite(segment_of(tmp_path), 3 * len(whole) - 4, bytes(4))
    reader = SpoolReader(tmp_path)

    assert read_all(reader, most=9) == records(2)
    spool_of(tmp_path, [b"next"])
    waiting = SpoolReader(tmp_path).next(9)
    assert (waiting.payloads, waiting.damaged_bytes) == ([b"next"], 0)


def test_a_hole_hides_nothing_behind_it_and_is_counted(tmp_path: Path) -> None:
    spool_of(tmp_path, records(6))
    size = len(frame(records(1)[0]))
    overwrite(segment_of(tmp_path), 2 * size, bytes(size))
    reader = SpoolReader(tmp_path)
    before = reader.next(9)
    for segment, batch in before.parts:
        segment.confirm(batch)
    behind = reader.next(9)

    assert before.payloads == records(2)
    assert behind.payloads == records(3, start=3)
    assert (before.damaged_bytes, behind.damaged_bytes) == (0, size)


def test_a_hole_of_several_pages_is_crossed(tmp_path: Path) -> None:
    payloads = [bytes([65 + number % 26]) * 500 for number in range(60)]
    spool_of(tmp_path, payloads)
    overwrite(segment_of(tmp_path), 508 * 10 + 3, bytes(508 * 30))
    found = SegmentReader(segment_of(tmp_path))
    first = found.read(99)
    found.confirm(first)
    second = found.read(99)

    assert first.payloads == payloads[:10]
    assert second.payloads == payloads[41:]
    assert second.damaged == 508 * 31


def test_torn_bytes_are_told_when_the_segment_ends(tmp_path: Path) -> None:
    spool_of(tmp_path, records(1))
    overwrite(segment_of(tmp_path), len(frame(records(1)[0])) - 1, b"?")

    assert SpoolReader(tmp_path).next(9).torn_bytes == len(records(1)[0])


def test_a_full_spool_takes_all_or_nothing(tmp_path: Path) -> None:
    now = [0.0]
    spool = SpoolWriter(tmp_path, 65536, clock=lambda: now[0])
    taken = itertools.count(step=3)

    def fill() -> None:
        while True:
            spool.append([b"x" * 400] * 3)
            next(taken)

    with pytest.raises(SpoolFullError):
        fill()
    spool.close()

    assert bytes_of(tmp_path) <= 65536
    assert len(read_all(SpoolReader(tmp_path), most=1000)) == next(taken)
    now[0] += 1
    spool.append([b"again"])


def test_segments_whose_maker_was_killed_count_and_are_removed(tmp_path: Path) -> None:
    abandoned, young = tmp_path / f"1-1{UNNAMED}", tmp_path / f"2-1{UNNAMED}"
    for path in (abandoned, young):
        path.write_bytes(bytes(4096))
    old = time.time() - 120
    os.utime(abandoned, (old, old))

    assert bytes_of(tmp_path) == 2 * 4096
    SpoolReader(tmp_path).next(1)
    assert not abandoned.exists()
    assert young.exists()


def test_one_process_reads_at_a_time(tmp_path: Path) -> None:
    first, second = SpoolReader(tmp_path), SpoolReader(tmp_path)

    assert first.claim()
    assert not second.claim()
