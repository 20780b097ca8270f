"""What the monitor exports of MongoDB's disk and of backups."""

import shutil
from datetime import UTC, datetime
from itertools import count

import pytest
from prometheus_client import CollectorRegistry
from pymongo.database import Database

from taxi_domain.mongodb import AUDIT, DATABASE
from taxi_local.mongod import Mongod
from taxi_monitor.metrics.storage_gauges import StorageCollector, StorageWatch
from taxi_store.admin.audit import Action, AuditEntry, Stage, ensure_audit, record
from taxi_store.connection import Document, connect

pytestmark = pytest.mark.component

AT = datetime(2026, 1, 2, tzinfo=UTC)
PREFIX = "taxi_monitor_"
DISK = {
    "mongodb_data_bytes", "mongodb_disk_used_bytes", "mongodb_disk_size_bytes", "mongodb_up",
}  # fmt: skip


def exported(watch: StorageWatch) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(StorageCollector(watch))
    return {
        one.name.removeprefix(PREFIX): one.value
        for family in registry.collect()
        for one in family.samples
    }


def watching(database: Database[Document]) -> StorageWatch:
    """Return a watch that asks each time."""
    clock = count(0, 1000)
    return StorageWatch(database, clock=lambda: float(next(clock)))


def test_the_disk_is_told_and_a_backup_once_there_is_one(
    mongod: Mongod,
) -> None:
    with connect(mongod.uri, app_name="test") as client:
        database = client[DATABASE]
        watch = watching(database)
        assert exported(watch) == {}

        watch.refresh()
        assert exported(watch) == {"mongodb_data_bytes": 0, "mongodb_up": 1}

        ensure_audit(database)
        watch.refresh()
        told = exported(watch)
        assert set(told) == DISK
        assert told["mongodb_disk_size_bytes"] == shutil.disk_usage("/tmp").total
        assert 0 < told["mongodb_disk_used_bytes"] < told["mongodb_disk_size_bytes"]

        for action, stage in (
            (Action.BACKUP, Stage.DONE), (Action.RESTORE, Stage.DONE), (Action.BACKUP, Stage.BEGUN),
        ):  # fmt: skip
            at = AT if (action, stage) == (Action.BACKUP, Stage.DONE) else datetime.now(UTC)
            record(database, AuditEntry(at, action, stage, "a", "b"))
        watch.refresh()
        assert exported(watch)["last_backup_timestamp_seconds"] == AT.timestamp()
        assert set(exported(watch)) == {*DISK, "last_backup_timestamp_seconds"}

        mongod.kill()
        watch.refresh()
        assert set(exported(watch)) == {"last_backup_timestamp_seconds", "mongodb_up"}
        assert exported(watch)["mongodb_up"] == 0


def test_an_entry_that_nobody_can_read_hides_no_disk(mongod: Mongod) -> None:
    with connect(mongod.uri, app_name="test") as client:
        database = client[DATABASE]
        database[AUDIT].insert_one({"action": "backup", "stage": "done", "at": "soon"})
        watch = watching(database)

        watch.refresh()

        assert set(exported(watch)) == DISK
