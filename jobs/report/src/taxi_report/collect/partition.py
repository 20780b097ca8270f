"""One partition of the log as profiles: what a worker does, whatever machine it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_report.collect.columns import rows_of
from taxi_report.collect.reference import Known, known_version
from taxi_report.profile.version import VersionProfile, profile_of
from taxi_report.rows import Rows
from taxi_report.settings import Settings
from taxi_runtime.settings import read as read_settings
from taxi_store.connection import Document, StoreUnavailableError, connect, database_of
from taxi_store.log.malformed import Unreadable
from taxi_store.log.partitions import Partition, label_values, read

#: The server's codes for users who may not read: no partition is at fault.
_UNAUTHORIZED: Final = {13, 18}


class PartitionRefusedError(TaxiError):
    """MongoDB is there and does not give a partition."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is told.

    Attributes:
        partition: Part of the log.
        start: Begin of the whole span, seconds since the epoch.
        end: End of the whole span.
        version: The one version that is wanted, None for all.
        sample_rows: Rows of the sample.
        timeout_seconds: How long a call to MongoDB may take.
    """

    partition: Partition
    start: float
    end: float
    version: str | None
    sample_rows: int
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
        PartitionRefusedError: it answers, but not about this partition.
    """
    client = _client(task.timeout_seconds)
    try:
        return _read(task, database_of(client))
    except StoreUnavailableError as error:
        if _is_of_the_partition(error, client):
            raise PartitionRefusedError(str(error)) from error
        raise


def _is_of_the_partition(error: StoreUnavailableError, client: MongoClient[Document]) -> bool:
    """Tell whether MongoDB is there: waiting for it would change nothing, trying again might.

    The worker that saw the error asks: another one may have another way to the server.
    """
    cause = error.__cause__
    if isinstance(cause, OperationFailure) and cause.code in _UNAUTHORIZED:
        return False
    try:
        client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _read(task: Task, database: Database[Document]) -> Part:
    unreadable: dict[str, int] = {}

    def count(collection: str, _field: str) -> None:
        unreadable[collection] = unreadable.get(collection, 0) + 1

    faults = Unreadable(count)
    pieces: dict[str, list[Rows]] = {}
    unprofiled: dict[str, tuple[int, str]] = {}
    # Asked once, so that a version is profiled for the whole partition or not at all.
    brought: dict[str, Known | str] = {}
    rows = 0
    for documents in read(database, task.partition, faults):
        for version, own in _by_version(documents, task.version).items():
            rows += len(own)
            if version not in brought:
                brought[version] = known_to(task, version)
            known = brought[version]
            if isinstance(known, str):
                unprofiled[version] = (unprofiled.get(version, (0, ""))[0] + len(own), known)
                continue
            labels = label_values(database, [one["_id"] for one in own], faults)
            pieces.setdefault(version, []).append(rows_of(own, known.layout, labels))
    profiles = {}
    for version, parts in sorted(pieces.items()):
        known = brought[version]
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
    """Return what a version brings along, or why it has nothing.

    A process keeps what it found, but asks again for what was not there: an artifact can come back
    while the process lives on.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    try:
        return _loaded(version, task.start, task.end, task.sample_rows, task.timeout_seconds)
    except NotAvailableError:
        raise
    except TaxiError as error:
        return str(error)


@lru_cache(maxsize=16)
def _loaded(
    version: str, start: float, end: float, sample_rows: int, timeout_seconds: float
) -> Known:
    database: Database[Document] = database_of(_client(timeout_seconds))
    return known_version(database, version, start, end, sample_rows)


def _by_version(documents: list[Document], wanted: str | None) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for one in documents:
        if wanted is None or one["model_version"] == wanted:
            found.setdefault(one["model_version"], []).append(one)
    return found
