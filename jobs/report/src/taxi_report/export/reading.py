"""Partitions of the log as tables by version."""

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa
from pymongo.database import Database

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_domain.models import SCHEMA_FILE
from taxi_report.export.tables import table_of
from taxi_schema.reading import schema_of_json
from taxi_schema.schema import Schema
from taxi_store.connection import Document
from taxi_store.log.malformed import Unreadable
from taxi_store.log.partitions import Partition, label_values, read
from taxi_store.registry.registry import Registry


@dataclass(frozen=True, slots=True)
class Taken:
    """What a part of the log has.

    Attributes:
        tables: Rows by version, oldest first.
        unread: Values of another type than their column, by version and column.
        left_out: Rows of versions without a schema, by version.
        unreadable: Documents that cannot be read, by collection and field.
    """

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    unread: dict[str, Counter[str]] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


class LogReader:
    """Reads partitions into memory.

    Args:
        database: Log, labels and registry.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._schemas: dict[str, Schema | str] = {}

    def read(self, partition: Partition) -> Taken:
        """Return all rows of a partition; nothing is kept of one that is read in part.

        Raises:
            NotAvailableError: MongoDB does not answer.
        """
        taken = Taken()

        def count(collection: str, name: str) -> None:
            taken.unreadable[f"{collection}.{name}"] += 1

        unreadable = Unreadable(count)
        for documents in read(self._database, partition, unreadable, with_extra=True):
            # The log is read newest first, files are written oldest first.
            for version, own in _by_version(documents[::-1]).items():
                schema = self.schema_of(version)
                if isinstance(schema, str):
                    taken.left_out[version] += len(own)
                    continue
                labels = label_values(self._database, [one["_id"] for one in own], unreadable)
                table, unread = table_of(own, schema, labels)
                taken.tables.setdefault(version, []).insert(0, table)
                taken.unread.setdefault(version, Counter()).update(unread)
        return taken

    def schema_of(self, version: str) -> Schema | str:
        """Return a version's schema, or why there is none: the same in all of a run.

        Raises:
            NotAvailableError: MongoDB does not answer.
        """
        if version not in self._schemas:
            self._schemas[version] = self._loaded(version)
        return self._schemas[version]

    def _loaded(self, version: str) -> Schema | str:
        try:
            return schema_of_json(Registry(self._database).load(version).files[SCHEMA_FILE])
        except NotAvailableError:
            raise
        except KeyError:
            return f"model version {version}: has no {SCHEMA_FILE}"
        except TaxiError as error:
            return str(error)


def _by_version(documents: list[Document]) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for document in documents:
        found.setdefault(document["model_version"], []).append(document)
    return found
