"""One partition of the log as profiles: what a worker does, whatever machine it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from zoneinfo import ZoneInfo

from pymongo import MongoClient
from pymongo.database import Database

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_domain.mongodb import DATABASE
from taxi_report.collect.columns import rows_of
from taxi_report.collect.reference import Known, known_version
from taxi_report.profile.version import VersionProfile, profile_of
from taxi_report.rows import Rows
from taxi_report.settings import Settings
from taxi_runtime.settings import read as read_settings
from taxi_store.connection import Document, connect
from taxi_store.partitions import Partition, label_values, read
from taxi_store.unreadable import Unreadable


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is told.

    Attributes:
        partition: Part of the log.
        start: Begin of the whole span, seconds since the epoch.
        end: End of the whole span.
        version: The one version that is wanted, None for all.
        sample_rows: Rows of the sample.
        event_zone: Name of the zone of local event times.
        timeout_seconds: How long a call to MongoDB may take.
    """

    partition: Partition
    start: float
    end: float
    version: str | None
    sample_rows: int
    event_zone: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Part:
    """What was found in some partitions.

    Attributes:
        rows: Answered rows that could be read, of the wanted versions.
        profiles: By version.
        unprofiled: Rows of versions without a reference, and why, by version.
        unreadable: Documents that could not be read, by collection.
    """

    rows: int = 0
    profiles: Mapping[str, VersionProfile] = field(default_factory=dict)
    unprofiled: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)


def part_of(task: Task) -> Part:
    """Read and profile a partition: the same partition gives the same part.

    Where MongoDB is, a worker knows from its own environment: a task is shown in dashboards and
    logs, and must hold no password.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    database = _client(task.timeout_seconds)[DATABASE]
    unreadable: dict[str, int] = {}

    def count(collection: str, _field: str) -> None:
        unreadable[collection] = unreadable.get(collection, 0) + 1

    faults = Unreadable(count)
    pieces: dict[str, list[Rows]] = {}
    unprofiled: dict[str, tuple[int, str]] = {}
    rows = 0
    for documents in read(database, task.partition, faults):
        for version, own in _by_version(documents, task.version).items():
            rows += len(own)
            known = known_to(task, version)
            if isinstance(known, str):
                unprofiled[version] = (unprofiled.get(version, (0, ""))[0] + len(own), known)
                continue
            labels = label_values(database, [one["_id"] for one in own], faults)
            names = [one.name for one in known.layout.columns[:-1]]
            zone = ZoneInfo(task.event_zone)
            pieces.setdefault(version, []).append(rows_of(own, names, labels, zone))
    profiles = {}
    for version, parts in sorted(pieces.items()):
        known = known_to(task, version)
        assert isinstance(known, Known)
        whole = parts[0]
        for one in parts[1:]:
            whole = whole.joined(one)
        profiles[version] = profile_of(whole, known.layout)
    return Part(rows, profiles, unprofiled, dict(sorted(unreadable.items())))


@lru_cache(maxsize=4)
def _client(timeout_seconds: float) -> MongoClient[Document]:
    """Return the one client of this process."""
    uri = read_settings(Settings).mongodb_uri
    return connect(uri, app_name="taxi-report", timeout_seconds=timeout_seconds)


def known_to(task: Task, version: str) -> Known | str:
    """Return what a version brings along, or why it has nothing; each process asks once.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    return _loaded(version, task.start, task.end, task.sample_rows, task.timeout_seconds)


@lru_cache(maxsize=16)
def _loaded(
    version: str, start: float, end: float, sample_rows: int, timeout_seconds: float
) -> Known | str:
    database: Database[Document] = _client(timeout_seconds)[DATABASE]
    try:
        return known_version(database, version, start, end, sample_rows)
    except NotAvailableError:
        raise
    except TaxiError as error:
        return str(error)


def _by_version(documents: list[Document], wanted: str | None) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for one in documents:
        if wanted is None or one["model_version"] == wanted:
            found.setdefault(one["model_version"], []).append(one)
    return found
