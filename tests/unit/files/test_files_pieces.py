"""Pieces of files: all rows once, in the order of the files, and never many at once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_files.pieces import Wanted, files_of, pieces_of, row_count
from taxi_files.reading import DataFileError

WANTED = Wanted(("a",), ("b", "c"))


def written(path: Path, rows: int, group: int = 1000) -> Path:
    table = pa.table({"b": [f"x{place}" for place in range(rows)], "a": range(rows)})
    if path.suffix == ".csv":
        pc.write_csv(table, path)
    else:
        pq.write_table(table, path, row_group_size=group)
    return path


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(0, 300), size=st.integers(1, 130), group=st.integers(1, 400),
    ending=st.sampled_from([".csv", ".parquet"]),
)  # fmt: skip
def test_all_rows_come_once_and_few_at_a_time(
    tmp_path_factory: pytest.TempPathFactory, rows: int, size: int, group: int, ending: str
) -> None:
    path = written(tmp_path_factory.mktemp("pieces") / f"rows{ending}", rows, group)

    pieces = list(pieces_of(path, WANTED, size))

    assert [int(a) for piece in pieces for a in piece.table["a"].to_pylist()] == list(range(rows))
    assert [b for piece in pieces for b in piece.table["b"].to_pylist()] == [
        f"x{place}" for place in range(rows)
    ]
    assert all(0 < piece.table.num_rows <= size for piece in pieces)
    assert [piece.first for piece in pieces] == [
        sum(one.table.num_rows for one in pieces[:place]) for place in range(len(pieces))
    ]
    assert row_count(path) == (None if ending == ".csv" else rows)


def test_texts_of_large_csv_files_may_have_line_breaks(tmp_path: Path) -> None:
    path, rows = tmp_path / "rows.csv", 3000
    text = "two\nlines " * 200
    path.write_text("a,b\n" + f'1,"{text}"\n' * rows)

    pieces = list(pieces_of(path, WANTED, 1000))

    assert sum(piece.table.num_rows for piece in pieces) == rows
    assert {b for piece in pieces for b in piece.table["b"].to_pylist()} == {text}


def test_a_column_that_must_be_there_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.parquet", 3)

    with pytest.raises(DataFileError, match="has no column z"):
        next(pieces_of(path, Wanted(("z",))))


def test_a_file_that_ends_in_the_middle_is_an_error_whatever_was_read(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.parquet", 5000, 100)
    path.write_bytes(path.read_bytes()[:-2000])

    with pytest.raises(DataFileError, match=r"rows\.parquet: cannot be read as parquet"):
        list(pieces_of(path, WANTED))


def test_damage_inside_is_an_error_at_its_place(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.parquet", 5000, 100)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xff" * 400
    path.write_bytes(data)
    pieces = pieces_of(path, WANTED, 100)

    assert next(pieces).table.num_rows == 100
    with pytest.raises(DataFileError, match="cannot be read as parquet"):
        list(pieces)


def test_a_csv_whose_lines_differ_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n3\n")

    with pytest.raises(DataFileError, match="cannot be read as CSV"):
        list(pieces_of(path, WANTED))


def test_a_folder_stands_for_its_files_by_name(tmp_path: Path) -> None:
    for name in ("day=2/b.parquet", "day=1/a.CSV", "_SUCCESS.parquet", ".x.parquet", "note.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert files_of([tmp_path, Path("last")]) == [
        tmp_path / "day=1/a.CSV", tmp_path / "day=2/b.parquet", Path("last"),
    ]  # fmt: skip
    (tmp_path / "none").mkdir()
    with pytest.raises(DataFileError, match="has no parquet or CSV file"):
        files_of([tmp_path / "none"])
