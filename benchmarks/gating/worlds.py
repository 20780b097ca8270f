"""Champions and the real rows that follow them: months, weeks within months, and flights."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from streams import ROOT, TAXI, between, month, streams

from taxi_files.reading import read_file
from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_train.data.rows import within_limits

FLIGHTS = read_schema(ROOT / "models" / "flight_delay" / "schema.toml")
FLIGHT_SAMPLES = ROOT / "models" / "flight_delay" / "samples"


@dataclass(frozen=True)
class World:
    """A champion's rows, those that follow, and after how many of these a candidate is made."""

    family: str
    name: str
    schema: Schema
    reference: LabelledRows
    rows: LabelledRows
    sizes: tuple[int, ...]


def worlds(folder: Path | None) -> Iterator[World]:
    """Return all that a folder of whole months gives; without it, what the shipped samples do."""
    for stream in streams(folder, 10**9):
        yield World(
            "rides, stories", stream.name, TAXI, stream.reference, stream.rows, (3000, 5000, 10_000)
        )
    if folder is None:
        yield from _flight_samples()
        return
    yield from _months(folder)
    yield from _weeks(folder)
    yield from _flights(folder)


def _months(folder: Path) -> Iterator[World]:
    """Pair what follows each other; March 2020 has two halves, which are no one month."""
    parts = {}
    for path in sorted(folder.glob("green_tripdata_*.parquet")):
        name = path.stem[-7:]
        if name == "2020-03":
            parts[f"{name} to the 15th"] = month(path, f"{name}-01", f"{name}-16")
            parts[f"{name} from the 16th"] = month(path, f"{name}-16", "2020-04-01")
        else:
            parts[name] = month(path)
    for first, second in itertools.pairwise(parts):
        yield World(
            "rides, months", f"{first}, then {second}", TAXI, parts[first], parts[second],
            (3000, 5000, 10_000, 20_000),
        )  # fmt: skip


def _weeks(folder: Path) -> Iterator[World]:
    for path in sorted(folder.glob("green_tripdata_*.parquet")):
        name = path.stem[-7:]
        rows = month(path)
        for day in (1, 8, 15):
            week = rows[between(rows, f"{name}-{day:02d}", f"{name}-{day + 7:02d}")]
            rest = rows[between(rows, f"{name}-{day + 7:02d}", "9999-01-01")]
            yield World(
                "rides, weeks", f"{name} from {day}, then from {day + 7}", TAXI, week, rest,
                (3000, 6000),
            )  # fmt: skip


def _flights(folder: Path) -> Iterator[World]:
    rows = read_file(FLIGHTS, folder / "flights-2013.parquet").rows(FLIGHTS)
    rows = rows[within_limits(FLIGHTS, rows)]
    begins = [f"2013-{number:02d}-01" for number in range(1, 13)] + ["2014-01-01"]
    months = [rows[between(rows, *span)] for span in itertools.pairwise(begins)]
    for number, (first, second) in enumerate(itertools.pairwise(months), 1):
        after = joined([second, months[number + 1]]) if number + 1 < len(months) else second
        name = f"2013-{number:02d}, then 2013-{number + 1:02d}"
        yield World("flights, months", name, FLIGHTS, first, after, (5000, 10_000, 20_000))


def _flight_samples() -> Iterator[World]:
    months = {}
    for path in sorted(FLIGHT_SAMPLES.glob("*.parquet")):
        rows = read_file(FLIGHTS, path).rows(FLIGHTS)
        months[path.stem[-7:]] = rows[within_limits(FLIGHTS, rows)]
    for first, second in itertools.pairwise(months):
        name = f"{first}, then {second}"
        yield World("flights, months", name, FLIGHTS, months[first], months[second], (3000, 5000))
