"""A whole run: files in, one file out, in pieces that are kept until all are there."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_domain.errors import FieldError
from taxi_files.pieces import MAX_ROWS, Piece, Wanted, files_of, pieces_of, row_count
from taxi_files.reading import DataFileError, is_csv, names_of, opened, plain
from taxi_predict.batch.chosen_model import ChosenModel
from taxi_predict.batch.log import BatchLog
from taxi_predict.batch.parts import Fault, Part, Parts
from taxi_predict.batch.progress import row_progress
from taxi_predict.batch.scoring import Scored, Scorer, problem_texts, wanted
from taxi_predict.batch.settings import Failpoint
from taxi_predict.serving.answers import VERSION
from taxi_schema.schema import Schema

PREDICTION: Final = "prediction"
PROBLEM: Final = "problem"
#: Of the parts' form: another one cannot go on with them.
_FORMAT: Final = 1
_ROWS, _ANSWERED, _MADE, _REPEATED = "rows", "answered", "made ids", "repeated"


@dataclass(frozen=True, slots=True)
class Request:
    """What is scored.

    Attributes:
        chosen: The model.
        inputs: Files and folders.
        out: The output.
        keep: Columns of the files that go into the output.
        needs_time: A row without an event time has no answer.
        log: Takes the answers; None where they are not logged.
        logged_as: What a piece that is finished has in which log; empty without one.
    """

    chosen: ChosenModel
    inputs: Sequence[Path]
    out: Path
    keep: Sequence[str] = ()
    needs_time: bool = False
    log: BatchLog | None = None
    logged_as: Sequence[str] = ()


@dataclass(slots=True)
class Summary:
    """What became of the rows.

    Attributes:
        rows: Of all files.
        answered: Those with an answer.
        made_ids: Those whose file has no id for them that can be used.
        repeated: Those that the log had before.
        problems: Rows by the text of their problem; a row can have several.
    """

    rows: int = 0
    answered: int = 0
    made_ids: int = 0
    repeated: int = 0
    problems: Counter[str] = field(default_factory=Counter)

    def add(self, part: Part) -> int:
        """Count a part; return its rows."""
        counts = Counter(part.counts)
        self.rows += counts.pop(_ROWS)
        self.answered += counts.pop(_ANSWERED)
        self.made_ids += counts.pop(_MADE)
        self.repeated += counts.pop(_REPEATED)
        self.problems += counts
        return part.counts[_ROWS]


def score(request: Request, fault: Fault) -> Summary:
    """Score files into the output; what an earlier run finished is not done again.

    Raises:
        FieldError: the request cannot be met.
        TaxiError: a file cannot be read, the output cannot be written, or MongoDB is away.
    """
    files = _files(request)
    model = request.chosen.model
    columns = wanted(model.schema, request.keep, needs_time=request.needs_time)
    out_schema = _out_schema(request, files)
    digests = [opened(path, partial(_sha256, path)) for path in files]
    summary = Summary()
    scorer = Scorer(model, needs_time=request.needs_time)
    parts = Parts(request.out, out_schema, fault)
    with parts.opened(_manifest(request, digests)), row_progress(_total(files)) as progress:
        for part in parts.finished():
            scorer.skip(part.table[model.schema.id].to_pylist(), part.table[PROBLEM].to_pylist())
            progress.advance(summary.add(part))
        for piece, digest in islice(_pieces(files, columns, digests), parts.count, None):
            fault(Failpoint.BEFORE_PIECE)
            scored = scorer.score(piece, digest)
            repeated = 0 if request.log is None else request.log.write(scored)
            fault(Failpoint.AFTER_LOG)
            part = _part(request, out_schema, piece, scored, repeated)
            parts.add(part)
            fault(Failpoint.AFTER_PIECE)
            progress.advance(summary.add(part))
        parts.join()
    return summary


def all_columns(schema: Schema, inputs: Sequence[Path]) -> list[str]:
    """Return what the first file has of a labelled row: columns, event time and label.

    Raises:
        DataFileError: there is no such file, or it cannot be read.
    """
    first = files_of(inputs)[0]
    there = frozenset(opened(first, partial(names_of, first)))
    time = () if schema.event_time is None else (schema.event_time.name,)
    names = (*time, *(column.name for column in schema.columns), schema.target.name)
    return [name for name in names if name in there]


def _total(files: Sequence[Path]) -> int | None:
    counts = [row_count(path) for path in files]
    return None if None in counts else sum(rows for rows in counts if rows is not None)


def _files(request: Request) -> list[Path]:
    files = files_of(request.inputs)
    out = request.out.resolve()
    for path in (*request.inputs, *files):
        if path.resolve() in (out, *out.parents):
            raise FieldError(
                "OUT", f"{request.out} is {path} or lies in it", "name a file beside the input"
            )
    if request.out.is_dir() or not out.parent.is_dir():
        raise FieldError(
            "OUT", f"{request.out} is a folder, or its folder is not there",
            "name a file in a folder that is there",
        )  # fmt: skip
    return files


def _out_schema(request: Request, files: Sequence[Path]) -> pa.Schema:
    schema = request.chosen.model.schema
    names = [schema.id, PREDICTION, VERSION, PROBLEM]
    types = [pa.string(), pa.float64(), pa.string(), pa.string()]
    for name in request.keep:
        if name in names:
            raise FieldError(
                "--keep", f"{name} is a column of OUT already", "leave it out or rename it in IN"
            )
        names.append(name)
        types.append(_type_of(name, files))
    return pa.schema(list(zip(names, types, strict=True)))


def _type_of(name: str, files: Sequence[Path]) -> pa.DataType:
    """Return a kept column's type; files that differ cannot become one column.

    Raises:
        DataFileError: they differ.
    """
    found: dict[pa.DataType, Path] = {}
    for path in files:
        if is_csv(path):
            found.setdefault(pa.string(), path)
            continue
        there = opened(path, partial(pq.read_schema, path))
        if there.names.count(name) == 1:  # else reading says so
            one = pa.schema([there.field(name)]).empty_table()
            found.setdefault(plain(one, name).type, path)
    if len(found) > 1:
        (kind, first), (other, path), *_ = found.items()
        raise DataFileError(
            f"{path}: {name} is {other}, and {kind} in {first}; leave out --keep or convert one"
        )
    return next(iter(found), pa.string())


def _manifest(request: Request, digests: Sequence[str]) -> dict[str, Any]:
    return {
        "format": _FORMAT, "inputs": digests, "model": request.chosen.model.digest,
        "keep": list(request.keep), "needs_time": request.needs_time,
        "log": list(request.logged_as), "piece_rows": MAX_ROWS,
    }  # fmt: skip


def _pieces(
    files: Sequence[Path], columns: Wanted, digests: Sequence[str]
) -> Iterator[tuple[Piece, str]]:
    for path, digest in zip(files, digests, strict=True):
        for piece in pieces_of(path, columns):
            yield piece, digest


def _part(
    request: Request, out_schema: pa.Schema, piece: Piece, scored: Scored, repeated: int
) -> Part:
    answered = scored.answered
    rows = len(scored.ids)
    arrays = [
        pa.array(scored.ids, pa.string()), pa.array(scored.answers, mask=~answered),
        pa.repeat(pa.scalar(request.chosen.model.version, pa.string()), rows),
        problem_texts(scored), *(plain(piece.table, name) for name in request.keep),
    ]  # fmt: skip
    counts = {text: int(mask.sum()) for text, mask in scored.problems.items()}
    counts |= {
        _ROWS: rows, _ANSWERED: int(answered.sum()), _MADE: scored.made_ids, _REPEATED: repeated,
    }  # fmt: skip
    return Part(pa.table(arrays, schema=out_schema), counts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
