"""Snapshots of the reports that are stored."""

import gzip
from collections.abc import Iterator

from pymongo.database import Database

from taxi_report.presets.workspace import StoredSnapshot
from taxi_store.connection import Document
from taxi_store.reports.reports import list_reports, load_snapshots


def stored_snapshots(
    database: Database[Document], model: str, limit: int
) -> Iterator[StoredSnapshot]:
    """Yield the snapshots of a model's newest reports, one report at a time.

    Raises:
        StoreUnavailableError: MongoDB does not answer.
    """
    for entry in list_reports(database, model, limit):
        for name, text in load_snapshots(database, entry.report_id).items():
            version, _, preset = name.partition("_")
            data = gzip.compress(text, mtime=0)
            yield StoredSnapshot(model, entry.report_id, version, preset, data)
