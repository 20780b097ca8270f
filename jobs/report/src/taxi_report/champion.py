"""The schema by which labels are checked: that of the version that serves."""

from pymongo.database import Database

from taxi_domain.errors import TaxiError
from taxi_domain.models import SCHEMA_FILE, Alias
from taxi_schema.reading import schema_of_json
from taxi_schema.schema import Schema
from taxi_store.connection import Document
from taxi_store.registry.registry import Registry


class NoSchemaError(TaxiError):
    """There is no model whose labels these could be, or its version has no schema."""


def champions_schema(database: Database[Document], model: str) -> Schema:
    """Return the schema of a model's champion.

    Raises:
        NoSchemaError: the model has no champion, or its version has no schema.
        ArtifactError: the version is damaged.
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    registry = Registry(database)
    entry = registry.alias(model, Alias.CHAMPION)
    if entry is None:
        raise NoSchemaError(f"labels: {model} has no champion; name another model, or promote one")
    try:
        return schema_of_json(registry.load(entry.version).files[SCHEMA_FILE])
    except KeyError:
        raise NoSchemaError(
            f"model version {entry.version}: has no {SCHEMA_FILE}; train it anew"
        ) from None
