"""Files of a backup: parts, manifests, and which backups a folder has."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import bson
import pytest

from taxi_report.backup.manifest import (
    MANIFEST,
    CollectionParts,
    Index,
    Manifest,
    manifest_of,
)
from taxi_report.backup.parts import (
    BackupError,
    Part,
    documents_of,
    lengths_of,
    read_part,
    write_parts,
)
from taxi_report.backup.shelf import finished_in, load, name_of, names_in, prune
from taxi_report.destination import Destination

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DOCUMENTS = [{"_id": f"r{n}", "value": n * 0.1} for n in range(100)]
BATCHES = [b"".join(map(bson.encode, DOCUMENTS[n : n + 30])) for n in range(0, 100, 30)]


def manifest(name: str = "20260102T030405Z", **changes: object) -> Manifest:
    part = Part("labels-00000.bson.zst", "00", 3, 5, 1)
    labels = CollectionParts(
        [part],
        [Index([("stored_at", 1), ("_id", -1)], {"name": "order", "expireAfterSeconds": 60})],
        NOW,
    )
    given = {"collections": {"labels": labels, "runs": CollectionParts([], [])}, **changes}
    return Manifest(
        name, "taxi", NOW, NOW + timedelta(seconds=2), aliases={"taxi/champion": "v"},
        problems=["one"], **given,  # type: ignore[arg-type]
    )  # fmt: skip


def test_parts_have_all_documents_in_their_order(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path))

    written = list(write_parts(destination, "a/rows", BATCHES, part_bytes=len(BATCHES[0]) * 3 // 2))

    parts = [part for part, _ in written]
    assert [part.name for part in parts] == ["rows-00000.bson.zst", "rows-00001.bson.zst"]
    assert [part.documents for part in parts] == [60, 40]
    found = [read_part(destination, "a", part) for part in parts]
    assert found == [raw for _, raw in written]
    assert b"".join(found) == b"".join(BATCHES)
    assert [bson.decode(one.raw) for raw in found for one in documents_of(raw)] == DOCUMENTS


def test_a_collection_without_documents_has_no_part(tmp_path: Path) -> None:
    assert list(write_parts(Destination(str(tmp_path)), "a/rows", [])) == []


@pytest.mark.parametrize("raw", [b"\x05", b"\x04\0\0\0\0", b"\x06\0\0\0\0", BATCHES[0][:-1]])
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    with pytest.raises(BackupError, match="no whole documents"):
        list(lengths_of(raw))


def test_a_manifest_says_what_it_was_told() -> None:
    one = manifest()

    assert manifest_of(one.name, one.to_json()) == one
    assert one.counts == {"labels": 1, "runs": 0}


def test_every_changed_byte_of_a_manifest_is_seen() -> None:
    data = manifest().to_json()
    for place in range(0, len(data) - 1, 7):
        changed = bytearray(data)
        changed[place] ^= 1
        # A blank between words that became another one changes nothing that is said.
        if json.dumps(_loaded(bytes(changed))) == json.dumps(json.loads(data)):
            continue
        with pytest.raises(BackupError):
            manifest_of("name", bytes(changed))


def _loaded(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_a_manifest_of_a_later_format_names_the_remedy() -> None:
    data = manifest().to_json().replace(b'"format": 1', b'"format": 2')

    with pytest.raises(BackupError, match="restore it with the release that made it"):
        manifest_of("name", data)


def put(destination: Destination, name: str, *, finished: bool = True) -> None:
    destination.write(f"{name}/labels-00000.bson.zst", b"abc")
    if finished:
        destination.write(f"{name}/{MANIFEST}", manifest(name).to_json())


def names(days: list[int]) -> list[str]:
    return [name_of(NOW - timedelta(days=one)) for one in days]


def test_the_newest_finished_ones_stay_and_what_is_being_written(tmp_path: Path) -> None:
    destination = Destination(str(tmp_path))
    for name in names([5, 4, 2]):
        put(destination, name)
    for name in names([3, 1]):
        put(destination, name, finished=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("of somebody")

    removed = prune(destination, 2, NOW)

    assert sorted(removed) == names([5, 3])
    assert names_in(destination) == names([4, 2, 1])
    assert finished_in(destination) == names([4, 2])
    assert (tmp_path / "other" / "file").exists()
    assert load(destination).name == names([2])[0]
    assert prune(destination, 0, NOW) == []
    assert all(one < two for one, two in pairwise(names_in(destination)))


@pytest.mark.parametrize("name", ["", "20260102T030405Z", "../elsewhere", "other"])
def test_what_is_no_backup_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / MANIFEST).write_bytes(manifest().to_json())
    with pytest.raises(BackupError, match=r"is no finished backup|none that is finished"):
        load(Destination(str(tmp_path)), name)
