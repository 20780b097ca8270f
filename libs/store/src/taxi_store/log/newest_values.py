"""Values that the newest rows of a version have in one column."""

from typing import Final

from pymongo import DESCENDING
from pymongo.database import Database

from taxi_domain.mongodb import PREDICTIONS
from taxi_domain.records import INPUTS
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import lenient

#: Rows that are read at most.
MAX_ROWS: Final = 2000
_MAX_MILLISECONDS: Final = 5000


def newest_values(
    database: Database[Document], version: str, column: str, rows: int
) -> list[object]:
    """Return the values of a column in the newest rows that a version answered, as they were sent.

    Args:
        database: Where the log is.
        version: Model version.
        column: Its name; no name of a schema has a dot or begins with a dollar sign.
        rows: At most so many rows, up to `MAX_ROWS`.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        found = (
            lenient(database, PREDICTIONS)
            .find({"model_version": version}, {"_id": 0, f"{INPUTS}.{column}": 1})
            .sort([("ts", DESCENDING), ("_id", DESCENDING)])
            .limit(min(rows, MAX_ROWS))
            .max_time_ms(_MAX_MILLISECONDS)
        )
        parts = [one.get(INPUTS) for one in found]
    return [part[column] for part in parts if isinstance(part, dict) and column in part]
