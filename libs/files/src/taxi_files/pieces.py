"""Files of any size in pieces: bounded memory, the same pieces whenever a file is read again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from taxi_files.reading import CSV, PARSE, DataFileError, check_names, is_csv, names_of, opened

#: Rows of a piece.
MAX_ROWS: Final = 50_000
PARQUET: Final = ".parquet"
_BLOCK_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """Columns that are read.

    Attributes:
        required: A file without one of these is refused.
        optional: What a file may have.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a file that follow each other.

    Attributes:
        path: The file.
        first: Place of the first row in the file.
        table: The wanted columns that the file has; those of CSV are texts.
    """

    path: Path
    first: int
    table: pa.Table


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return files in the order given; a folder stands for its parquet and CSV files, by name.

    Raises:
        DataFileError: a path is not there, or a folder has no such file.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in {CSV, PARQUET}
            and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
        )
        if not inside:
            raise DataFileError(f"{path}: has no parquet or CSV file; name another folder")
        found += inside
    return found


def pieces_of(path: Path, wanted: Wanted, rows: int = MAX_ROWS) -> Iterator[Piece]:
    """Yield a file's rows in its order, at most `rows` at once.

    Raises:
        DataFileError: it cannot be read to its end, or lacks a required column.
    """
    there = opened(path, lambda: names_of(path))
    check_names(path, wanted.required, there)
    optional = [name for name in wanted.optional if there.count(name) == 1]
    names = [*wanted.required, *(name for name in optional if name not in wanted.required)]
    first = 0
    batches = opened(path, lambda: _batches(path, names, rows))
    while (batch := opened(path, lambda: next(batches, None))) is not None:
        for start in range(0, batch.num_rows, rows):
            table = pa.Table.from_batches([batch.slice(start, rows)])
            yield Piece(path, first, table)
            first += table.num_rows


def row_count(path: Path) -> int | None:
    """Return the rows of a parquet file, None of a CSV file, which does not tell.

    Raises:
        DataFileError: it cannot be read.
    """
    if is_csv(path):
        return None
    count: int = opened(path, lambda: pq.read_metadata(path).num_rows)
    return count


def _batches(path: Path, names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
    if is_csv(path):
        return _csv_batches(path, names)
    batches: Iterable[pa.RecordBatch] = pq.ParquetFile(path, pre_buffer=False).iter_batches(
        rows, columns=names, use_threads=False
    )
    return iter(batches)


def _csv_batches(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    # All are texts: a type that is guessed from the first rows fails on others.
    convert = pc.ConvertOptions(
        include_columns=names, column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True,
    )  # fmt: skip
    read = pc.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
    yield from pc.open_csv(path, read_options=read, parse_options=PARSE, convert_options=convert)
