"""Rows of files as rows of a report: in their order, at the times of their events."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from taxi_report.collect.columns import local_seconds
from taxi_report.collect.files import Read, Seen, Source, first_moment, read_pieces
from taxi_report.collect.reference import rows_of_labelled
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import VersionProfile, merge, profile_of
from taxi_report.rows import Rows
from taxi_schema.columns.rows import of_columns
from taxi_schema.schema import Schema

Floats = NDArray[np.float64]

#: What stands for the role of a version at rows that nobody answered.
ROLE = "file"


def profile_files(source: Source, layout: Layout, seen: Seen) -> VersionProfile:
    """Profile all rows of files that a request could send, at most a few pieces in memory.

    Raises:
        DataFileError: a file cannot be read to its end, or has no column of the schema.
    """
    return profile_all(_rows(source, layout, seen), layout)


def profile_all(pieces: Iterable[Rows], layout: Layout) -> VersionProfile:
    """Profile rows of one version, however many pieces there are."""
    tree: list[tuple[int, VersionProfile]] = []
    for rows in pieces:
        tree.append((0, profile_of(rows, layout)))
        # Profiles of equally many pieces are merged, so that rounding does not grow with them.
        while len(tree) > 1 and tree[-1][0] == tree[-2][0]:
            tree.append(_merged(tree, layout))
    while len(tree) > 1:
        tree.append(_merged(tree, layout))
    return tree[0][1] if tree else profile_of(_none(layout), layout)


def _merged(tree: list[tuple[int, VersionProfile]], layout: Layout) -> tuple[int, VersionProfile]:
    (_, second), (level, first) = tree.pop(), tree.pop()
    return level + 1, merge(first, second, layout)


def _rows(source: Source, layout: Layout, seen: Seen) -> Iterator[Rows]:
    """Yield the pieces; a row without a time has that of the row before, or else the first one.

    Rows of files without any event time are a second apart, from 1970 on.
    """
    place, last = 0, first_moment(source)
    for read in read_pieces(source, seen):
        count = len(read.rows)
        if last is None:
            moments = ts = np.arange(place, place + count, dtype=np.float64)
        else:
            moments = _filled(read.rows.moments, last)
            ts = epoch_seconds(moments, source.schema)
            last = float(moments[-1]) if count else last
        place += count
        yield _as_rows(read, layout, moments, ts)


def _as_rows(read: Read, layout: Layout, moments: Floats, ts: Floats) -> Rows:
    return rows_of_labelled(read.rows, layout, ids=read.ids, moments=moments, ts=ts, role=ROLE)


def _none(layout: Layout) -> Rows:
    nothing = np.zeros(0)
    rows = of_columns(layout.schema, {}, np.zeros(0, "M8[us]"), nothing)
    return _as_rows(Read([], rows), layout, nothing, nothing)


def _filled(moments: Floats, before: float) -> Floats:
    """Return moments, in place of each NaN the last one before it."""
    known = np.isfinite(moments)
    places = np.maximum.accumulate(np.where(known, np.arange(1, len(moments) + 1), 0))
    filled: Floats = np.concatenate([[before], moments])[places]
    return filled


def epoch_seconds(moments: Floats, schema: Schema) -> Floats:
    """Return local event times as seconds since the epoch; of a time that is twice the first."""
    if schema.event_time is None:
        return moments
    zone = schema.event_time.zone
    found = moments
    for _ in range(2):  # the offset may change between the first guess and the time itself
        found = moments - (local_seconds(found, zone) - found)
    return found
