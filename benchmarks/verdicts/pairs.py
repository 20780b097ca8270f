"""Pairs of real spans: a champion's training rows and the traffic that it then meets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from streams import SAMPLES, between

from taxi_schema.columns.rows import LabelledRows, joined
from taxi_train.data.rows import within_limits
from verdicts.subjects import FLIGHTS, RIDES, Subject
from verdicts.traffic import Traffic, traffic_of

QUIET: Final = "quiet"
CHANGED: Final = "changed"
#: Span of which months: a file's name, and the first and the last date, that one excluded.
Span = tuple[str, str]


@dataclass(frozen=True)
class Pair:
    """Two spans of real rows.

    Attributes:
        name: As scenarios are called.
        subject: Whose rows these are.
        role: `QUIET`: whatever alarms is a false alarm or a known event; `CHANGED`: it changed.
        frozen_on: Whether design choices of the engine were made on these rows; else they are
            held out, and only reported.
        reference: First and last date of the training rows, the last one excluded.
        traffic: Dates of the traffic.
        kinds: Kinds that would be right of a changed one; `None` among them where it may be
            missed.
        predecessor: Dates of the training rows of the champion before, whose reference a short one
            borrows from; None where there was none.
    """

    name: str
    subject: Subject
    role: str
    frozen_on: bool
    reference: Span
    traffic: Span
    kinds: tuple[str, ...] = ()
    predecessor: Span | None = None


PAIRS: Final = (
    Pair("quiet-2021-02", RIDES, QUIET, True,
         ("2021-01-01", "2021-02-01"), ("2021-02-01", "2021-03-01")),
    Pair("collapse", RIDES, CHANGED, True,
         ("2020-03-01", "2020-03-14"), ("2020-03-14", "2020-04-01"), ("HarmfulCovariate",)),
    Pair("harmless-2022-01", RIDES, CHANGED, True,
         ("2021-01-01", "2021-02-01"), ("2022-01-01", "2022-02-01"), ("Benign",)),
    Pair("quiet-2021-01-late", RIDES, QUIET, True,
         ("2021-01-01", "2021-01-17"), ("2021-01-17", "2021-02-01")),
    Pair("quiet-2021-02-late", RIDES, QUIET, True,
         ("2021-02-01", "2021-02-16"), ("2021-02-16", "2021-03-01")),
    Pair("quiet-2021-01-of-02", RIDES, QUIET, True,
         ("2021-02-01", "2021-03-01"), ("2021-01-01", "2021-02-01")),
    Pair("quiet-2020-03-early", RIDES, QUIET, False,
         ("2020-03-01", "2020-03-08"), ("2020-03-08", "2020-03-12")),
    Pair("quiet-2020-04-late", RIDES, QUIET, False,
         ("2020-04-01", "2020-04-16"), ("2020-04-16", "2020-05-01")),
    # The champion that was made of few rows right after the collapse.
    Pair("quiet-after-collapse", RIDES, QUIET, False,
         ("2020-03-27", "2020-04-01"), ("2020-04-01", "2020-04-16"), (),
         ("2020-03-01", "2020-03-14")),
    Pair("quiet-2022-01-late", RIDES, QUIET, False,
         ("2022-01-01", "2022-01-17"), ("2022-01-17", "2022-02-01")),
    Pair("flights-2013-02", FLIGHTS, QUIET, True,
         ("2013-01-01", "2013-02-01"), ("2013-02-01", "2013-03-01")),
    # Between Labor Day and the airlines' winter timetable.
    Pair("flights-2013-10", FLIGHTS, QUIET, False,
         ("2013-09-03", "2013-10-01"), ("2013-10-01", "2013-10-27")),
    Pair("flights-2013-07", FLIGHTS, CHANGED, False,
         ("2013-01-01", "2013-02-01"), ("2013-07-01", "2013-08-01"), ("HarmfulCovariate",)),
    Pair("flights-2013-09", FLIGHTS, CHANGED, False,
         ("2013-01-01", "2013-02-01"), ("2013-09-01", "2013-10-01")),
)  # fmt: skip

Reader = Callable[[Subject, Span], LabelledRows]


class Months:
    """Whole months of a folder.

    Args:
        folder: Has `green_tripdata_YYYY-MM.parquet` of the months and `flights-2013.parquet`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = lru_cache(maxsize=4)(self._read_file)

    def _read_file(self, subject: Subject, path: Path) -> LabelledRows:
        return subject.read(path)

    def __call__(self, subject: Subject, span: Span) -> LabelledRows:
        """Return all rows of the dates, whatever their labels and values."""
        first, last = span
        if subject is FLIGHTS:
            rows = self._read(subject, self._folder / "flights-2013.parquet")
        else:
            rows = self._read(subject, self._folder / f"green_tripdata_{first[:7]}.parquet")
        return rows[between(rows, first, last)]


def sample_rows(subject: Subject, names: tuple[str, ...]) -> LabelledRows:
    """Return the rows of shipped samples, one after the other."""
    folder = SAMPLES.parents[1] / ("taxi_duration" if subject is RIDES else "flight_delay")
    return joined([subject.read(folder / "samples" / f"{name}.parquet") for name in names])


#: What stands in for the months where there is no folder of them.
SAMPLED: Final = {
    "quiet-2021-02": (("green-2021-01",), ("green-2021-02-head",)),
    "collapse": (("green-2020-03-before",), ("green-2020-03-after",)),
    "harmless-2022-01": (("green-2021-01",), ("green-2022-01-head",)),
    "flights-2013-02": (("flights-2013-01",), ("flights-2013-02",)),
    "flights-2013-07": (("flights-2013-01",), ("flights-2013-07",)),
    "flights-2013-09": (("flights-2013-01",), ("flights-2013-09",)),
}


@dataclass(frozen=True)
class Played:
    """A pair with its rows: training rows within the limits, and traffic as it came."""

    pair: Pair
    reference: LabelledRows
    traffic: Traffic
    predecessor: LabelledRows | None = None


def read(pair: Pair, months: Months | None) -> Played:
    """Return a pair with its rows, of whole months or of the shipped samples."""
    subject = pair.subject
    if months is None:
        reference, rows = (sample_rows(subject, names) for names in SAMPLED[pair.name])
    else:
        reference, rows = months(subject, pair.reference), months(subject, pair.traffic)
    traffic = traffic_of(subject.schema, rows, subject.label_lag(rows))
    before = None
    if months is not None and pair.predecessor is not None:
        before = _usable(subject, months(subject, pair.predecessor))
    return Played(pair, _usable(subject, reference), traffic, before)


def _usable(subject: Subject, rows: LabelledRows) -> LabelledRows:
    return rows[within_limits(subject.schema, rows)]


def available(months: Months | None) -> Iterator[Pair]:
    """Yield the pairs whose rows are at hand."""
    for pair in PAIRS:
        if months is not None:
            yield pair
        elif pair.name in SAMPLED:
            yield replace(pair)
