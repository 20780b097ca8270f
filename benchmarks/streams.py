"""Streams of real rows for benchmarks: a champion's training rows and the rows that follow."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from taxi_duration.trips import taxi_schema, trip_rows
from taxi_files.reading import read_file
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_schema.column import FeatureType, Kind
from taxi_schema.columns.arrays import is_missing
from taxi_schema.columns.rows import LabelledRows
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.onnx_model import model_of
from taxi_train.data.rows import features_of, within_limits

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "models" / "taxi_duration" / "samples"
TAXI = taxi_schema()


@dataclass(frozen=True)
class Stream:
    """A champion's training rows and the rows that follow, within the schema's limits."""

    name: str
    schema: Schema
    reference: LabelledRows
    rows: LabelledRows


def sample(name: str) -> LabelledRows:
    """Return the rides of a shipped sample that are within the limits."""
    rows = read_file(TAXI, SAMPLES / f"{name}.parquet").rows(TAXI)
    return rows[within_limits(TAXI, rows)]


def month(path: Path, start: str = "0001-01-01", end: str = "9999-01-01") -> LabelledRows:
    """Return the rides of a whole month that are within the limits and these dates."""
    rows = trip_rows(path).rows(TAXI)
    inside = between(rows, start, end)
    return rows[within_limits(TAXI, rows) & inside]


def between(rows: LabelledRows, start: str, end: str) -> np.ndarray:
    """Tell which rows are of these dates, the last one excluded."""
    first, last = (np.datetime64(datetime.fromisoformat(day), "us") for day in (start, end))
    inside: np.ndarray = (rows.event_times >= first) & (rows.event_times < last)
    return inside


def streams(folder: Path | None, limit: int) -> Iterator[Stream]:
    """Read the taxi streams: whole months from a folder, else the shipped samples."""
    if folder is None:
        yield Stream("quiet", TAXI, sample("green-2021-01"), sample("green-2021-02-head"))
        yield Stream(
            "collapse", TAXI, sample("green-2020-03-before"), sample("green-2020-03-after")
        )
        return

    def rides(name: str, start: str, end: str) -> LabelledRows:
        return month(folder / f"green_tripdata_{name}.parquet", start, end)

    january = rides("2021-01", "2021-01-01", "2021-02-01")
    after = (("quiet", "2021-02", "2021-03-01"), ("drift-without-damage", "2022-01", "2022-02-01"))
    for name, when, end in after:
        yield Stream(name, TAXI, january, rides(when, f"{when}-01", end)[:limit])
    march = rides("2020-03", "2020-03-01", "2020-03-14")
    yield Stream("collapse", TAXI, march, rides("2020-03", "2020-03-22", "2020-04-01")[:limit])


def answers(model: Artifact, rows: LabelledRows) -> np.ndarray:
    """Return a model's answers, in the target's unit."""
    graph = model_of(model)
    return graph.predict(features_of(graph.schema, rows))


def window_columns(
    schema: Schema, reference: Reference, rows: LabelledRows
) -> dict[str, np.ndarray]:
    """Return rows with predictions as the engine compares them: numbers and codes."""
    columns = {}
    for column in schema.columns:
        if column.name not in reference.columns:
            continue
        values = rows.columns[column.name]
        if column.type is FeatureType.STRING:
            values = reference.codes(column.name, [text or None for text in values.tolist()])
        elif column.kind is not Kind.NUMBER:
            values = np.where(is_missing(column, values), np.nan, values)
        columns[column.name] = values
    columns |= {PREDICTION: rows.prediction, TARGET: rows.target}
    if reference.timed:
        columns[MOMENT] = rows.moments
    return columns


def part(columns: dict[str, np.ndarray], chosen: slice | np.ndarray) -> dict[str, np.ndarray]:
    """Return some rows of columns."""
    return {name: column[chosen] for name, column in columns.items()}
