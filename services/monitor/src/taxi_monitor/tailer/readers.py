"""Readers of a version's rows, made of its artifact."""

from taxi_domain.errors import TaxiError
from taxi_domain.models import PROFILE_FILE, SCHEMA_FILE
from taxi_monitor.windows.misfits import Misfits
from taxi_monitor.windows.reader import RowReader
from taxi_profiles.reference import Reference
from taxi_schema.errors import SchemaError
from taxi_schema.reading import schema_of_json
from taxi_store.registry.registry import Registry


def reader_of(registry: Registry, version: str, misfits: Misfits | None = None) -> RowReader:
    """Return the reader of a version.

    Raises:
        TaxiError: MongoDB does not answer, or the artifact cannot be used.
    """
    files = registry.load(version).files
    try:
        schema = schema_of_json(files[SCHEMA_FILE])
        return RowReader(version, schema, Reference.from_bytes(files[PROFILE_FILE]), misfits)
    except (SchemaError, KeyError, ValueError) as error:
        raise TaxiError(
            f"model version {version}: {SCHEMA_FILE} and {PROFILE_FILE} cannot be used "
            f"({error}); train it anew"
        ) from error
