"""A run that is killed or has no room goes on where it ended, and ends with the same bytes."""

import fcntl
import json
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.artifacts import artifact_for, random_rows
from support.labelled import orders
from support.score_process import ran

from taxi_predict.batch.settings import Failpoint
from taxi_schema.column import Kind
from taxi_store.registry.artifacts import pack

SCHEMA = orders()
ROWS = 3000
FILES = ("a.parquet", "b.parquet", "c.parquet")
#: Failpoint, and how many pieces the run leaves finished.
KILLS: list[tuple[Failpoint, int]] = [
    (Failpoint.BEFORE_PIECE, 0),
    (Failpoint.AFTER_LOG, 0),
    (Failpoint.BEFORE_RENAME, 0),
    (Failpoint.AFTER_PIECE, 1),
    (Failpoint.IN_JOIN, 3),
    (Failpoint.BEFORE_REPLACE, 3),
    (Failpoint.AFTER_REPLACE, 3),
]


class Folder:
    """Three files, each a piece, and a model."""

    def __init__(self, path: Path, expected: bytes = b"", counts: Sequence[str] = ()) -> None:
        self.path = path
        self.expected = expected
        self.counts = counts

    def fill(self) -> None:
        """Write model and files, and run once without a fault."""
        (self.path / "champion.tar").write_bytes(pack(artifact_for(SCHEMA).files))
        for seed, name in enumerate(FILES):
            self.write(name, seed)
        assert self.run() == 0
        self.counts = self.told()
        assert any("order: came before: 600 rows" in line for line in self.counts)
        self.expected = self.out()
        (self.path / "out").unlink()

    def write(self, name: str, seed: int) -> None:
        """Write rows; every tenth id is one that another row has too."""
        drawn = random_rows(SCHEMA, ROWS, seed)
        columns = {
            column.name: pa.array(
                [row.values[place] for row in drawn],
                pa.bool_() if column.kind is Kind.BOOLEAN else None,
            )
            for place, column in enumerate(SCHEMA.columns)
        }
        ids = [f"{'' if place % 10 == 0 else seed}r{place}" for place in range(ROWS)]
        times = pa.array([row.event_time for row in drawn], pa.timestamp("us"))
        pq.write_table(pa.table({SCHEMA.id: ids, "placed": times, **columns}), self.path / name)

    def run(self, fault: str = "", max_file_bytes: int | None = None, out: str = "out") -> int:
        """Run the command; return its exit code."""
        return ran(
            ["--model", str(self.path / "champion.tar"), "--keep", "notes",
             *(str(self.path / name) for name in FILES), str(self.path / out)],
            self.path / "said.txt", {"TAXI_SCORE_FAULT": fault}, max_file_bytes,
        )  # fmt: skip

    def finished(self) -> Sequence[str]:
        """Return the names of finished pieces."""
        return sorted(path.name for path in self.path.glob("out.parts/*.arrow"))

    def left(self) -> Sequence[str]:
        """Return what is there beside inputs and texts."""
        known = {*FILES, "champion.tar", "said.txt"}
        return sorted(path.name for path in self.path.iterdir() if path.name not in known)

    def said(self) -> str:
        """Return what runs said since the last look."""
        text = (self.path / "said.txt").read_text()
        (self.path / "said.txt").unlink()
        return text

    def out(self) -> bytes:
        """Return the output."""
        return (self.path / "out").read_bytes()

    def told(self) -> Sequence[str]:
        """Return what runs said of rows since the last look."""
        lines = (line.rpartition("/")[2] for line in self.said().splitlines())
        return [line for line in lines if "rows" in line]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("filled"))
    folder.fill()
    return folder


@pytest.fixture
def folder(filled: Folder, tmp_path: Path) -> Folder:
    shutil.copytree(filled.path, tmp_path, dirs_exist_ok=True)
    return Folder(tmp_path, filled.expected, filled.counts)


@pytest.mark.parametrize(("point", "pieces"), KILLS)
def test_a_killed_run_goes_on(folder: Folder, point: Failpoint, pieces: int) -> None:
    assert folder.run(fault=point) == -signal.SIGKILL
    assert len(folder.finished()) == pieces
    assert (folder.path / "out").exists() == (point is Failpoint.AFTER_REPLACE)

    assert folder.run() == 0

    assert folder.out() == folder.expected
    assert folder.left() == ["out"]
    assert folder.told() == folder.counts


def test_what_is_finished_is_not_done_again(folder: Folder) -> None:
    for pieces in (1, 2, 3):
        assert folder.run(fault=Failpoint.AFTER_PIECE) == -signal.SIGKILL
        assert len(folder.finished()) == pieces

    assert folder.run(fault=Failpoint.BEFORE_PIECE) == 0
    assert folder.out() == folder.expected


def test_another_input_begins_anew(folder: Folder) -> None:
    folder.run(fault=Failpoint.IN_JOIN)
    folder.write("b.parquet", 7)

    assert folder.run(fault=Failpoint.AFTER_PIECE) == -signal.SIGKILL

    assert "starting anew" in folder.said()
    assert len(folder.finished()) == 1


def test_a_damaged_piece_is_made_again(folder: Folder) -> None:
    folder.run(fault=Failpoint.IN_JOIN)
    second = folder.path / "out.parts" / "000001.arrow"
    second.write_bytes(second.read_bytes()[:-100])

    assert folder.run() == 0
    assert folder.out() == folder.expected


@pytest.mark.parametrize("finished", [1, 3])
def test_a_full_disk_leaves_nothing_half_done(folder: Folder, finished: int) -> None:
    folder.run(fault=Failpoint.AFTER_PIECE)
    (piece,) = (folder.path / "out.parts").glob("*.arrow")
    # No room for a piece, or for pieces and not for the output.
    room = piece.stat().st_size - 1 if finished == 1 else len(folder.expected) - 1
    assert folder.run(max_file_bytes=room) == 1
    said = folder.said()
    assert "cannot be written" in said
    assert "make room and run the same command again" in said
    assert not (folder.path / "out").exists()
    assert not list((folder.path / "out.parts").glob("*.new"))
    assert len(folder.finished()) == finished

    assert folder.run() == 0
    assert folder.out() == folder.expected
    assert folder.left() == ["out"]


def test_a_file_that_ends_in_the_middle_can_be_mended(folder: Folder) -> None:
    path = folder.path / "b.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert folder.run() == 1
    assert "b.parquet: cannot be read as parquet" in folder.said()
    assert not (folder.path / "out").exists()

    path.write_bytes(whole)

    assert folder.run() == 0
    assert folder.out() == folder.expected


def test_two_runs_do_not_write_the_same_output(folder: Folder) -> None:
    folder.run(fault=Failpoint.AFTER_PIECE)
    with (folder.path / "out.parts" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert folder.run() == 1
    assert "another process writes it" in folder.said()
    manifest = json.loads((folder.path / "out.parts" / "manifest.json").read_text())
    assert manifest["piece_rows"] == 50_000

    assert folder.run() == 0
    assert folder.out() == folder.expected
