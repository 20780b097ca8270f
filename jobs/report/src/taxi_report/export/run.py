"""Exports days of the log, one after the other."""

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pyarrow as pa
from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_report.destination import Destination
from taxi_report.export import layout
from taxi_report.export.days import Days, begin_of, day_of
from taxi_report.export.manifest import LeftOut, Manifest, VersionFiles, manifest_of
from taxi_report.export.parts import PART_BYTES, Parts
from taxi_report.export.reading import LogReader, Taken
from taxi_report.export.verify import present
from taxi_runtime.patience import patiently
from taxi_schema.schema import Schema
from taxi_store.connection import Document
from taxi_store.log.partitions import MAX_ROWS, Partition, first_time, plan

logger = logging.getLogger(__name__)


class ZoneError(TaxiError):
    """Days of one export are of one zone."""


class Exporter:
    """Writes days of a model's log.

    Args:
        database: Log, labels and registry.
        model: Name of the model.
        destination: Where the files go.
        patience_seconds: How long MongoDB may be away.
        partition_rows: Rows that are read at once, and of a row group, at most.
        part_bytes: Size from which on a part ends.
    """

    def __init__(  # noqa: PLR0913 - sizes have defaults
        self,
        database: Database[Document],
        model: str,
        destination: Destination,
        *,
        patience_seconds: float,
        partition_rows: int = MAX_ROWS,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._database = database
        self._model = model
        self._destination = destination
        self._patience = patience_seconds
        self._partition_rows = partition_rows
        self._part_bytes = part_bytes
        self._reader = LogReader(database)

    def export(self, days: Days) -> Iterator[Manifest | None]:
        """Write the days that have rows; yield each one's manifest, None for one that was there.

        Raises:
            NotAvailableError: MongoDB was away for too long.
            DestinationError: the destination cannot be written.
            ZoneError: it has days of another zone.
        """
        complete = self._complete(days.zone)
        moment = days.start
        while (first := self._first(moment, days.end)) is not None:
            day = day_of(first, days.zone)
            moment = begin_of(day + timedelta(days=1), days.zone)
            written = None
            if days.again or day not in complete:
                written = self._day(day, days.zone)
            yield written

    def _first(self, start: datetime, end: datetime) -> datetime | None:
        return patiently(
            self._patience, lambda: first_time(self._database, self._model, start, end)
        )

    def _complete(self, zone: ZoneInfo) -> set[date]:
        """Return the days that have a manifest."""
        folder = f"{layout.model_folder(self._model)}/{layout.MANIFESTS}"
        found = {layout.day_of_manifest(name): name for name in self._destination.files(folder)}
        days = {day: name for day, name in found.items() if day is not None}
        if days:
            newest = days[max(days)]
            manifest = manifest_of(newest, self._destination.read(newest) or b"")
            if manifest.zone != str(zone):
                raise ZoneError(
                    f"{newest}: its day is of {manifest.zone}, not {zone}; give --zone "
                    f"{manifest.zone}, or export into another folder"
                )
        return set(days)

    def _day(self, day: date, zone: ZoneInfo) -> Manifest:
        name = layout.manifest_name(self._model, day)
        # Before anything else changes: a run that ends early leaves a day that is not complete.
        self._destination.remove(name)
        manifest = self._written(day, zone)
        self._remove_others(manifest)
        self._destination.write(name, manifest.to_json())
        logger.info("%s: %d rows in %d files", day, manifest.rows, len(manifest.files))
        return manifest

    def _written(self, day: date, zone: ZoneInfo) -> Manifest:
        """Write the parts of a day."""
        parts: dict[str, Parts] = {}
        unread: dict[str, Counter[str]] = {}
        left_out: Counter[str] = Counter()
        unreadable: Counter[str] = Counter()
        labelled = 0
        for taken in self._taken(day, zone):
            for version, tables in taken.tables.items():
                table = pa.concat_tables(tables)
                labelled += table.num_rows - table["label"].null_count
                if version not in parts:
                    parts[version] = self._parts(version, day, table.schema)
                parts[version].add(table)
                unread.setdefault(version, Counter()).update(taken.unread[version])
            left_out += taken.left_out
            unreadable += taken.unreadable
        for own in parts.values():
            own.end()
        versions = {
            version: VersionFiles(self._digest(version), own.files, unread[version])
            for version, own in parts.items()
        }
        gone = {
            version: LeftOut(rows, str(self._reader.schema_of(version)))
            for version, rows in left_out.items()
        }
        return Manifest(self._model, day, str(zone), versions, gone, unreadable, labelled)

    def _taken(self, day: date, zone: ZoneInfo) -> Iterator[Taken]:
        """Yield the partitions of a day, oldest first."""
        start, end = begin_of(day, zone), begin_of(day + timedelta(days=1), zone)

        def planned() -> list[Partition]:
            return plan(self._database, self._model, start, end, max_rows=self._partition_rows)

        for partition in patiently(self._patience, planned):
            yield patiently(self._patience, partial(self._reader.read, partition))

    def _parts(self, version: str, day: date, schema: pa.Schema) -> Parts:
        folder = layout.day_folder(self._model, version, day)
        return Parts(self._destination, folder, schema, self._part_bytes)

    def _digest(self, version: str) -> str:
        schema = self._reader.schema_of(version)
        assert isinstance(schema, Schema)
        return schema.digest

    def _remove_others(self, manifest: Manifest) -> None:
        """Remove what an earlier run left of the day: parts of other versions, unfinished files."""
        known = {file.name for file in manifest.files}
        folder = layout.model_folder(self._model)
        for name in present(self._destination, folder, manifest.day.isoformat()):
            if name not in known:
                self._destination.remove(name)
