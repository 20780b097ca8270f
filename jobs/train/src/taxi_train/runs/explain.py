"""What a model saw of a logged row, and its answer again."""

from typing import Any

from pymongo.database import Database

from taxi_domain.documents import record_of
from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.mongodb import PREDICTIONS
from taxi_domain.records import PredictionRecord
from taxi_schema.features import derive
from taxi_schema.records import row_of
from taxi_store.connection import Document, translated
from taxi_store.log.malformed import Unreadable, lenient
from taxi_store.log.prediction_log import labels_of
from taxi_store.registry.registry import Registry
from taxi_train.artifact.onnx_model import OnnxModel, model_of, predict_rows


def explanation(database: Database[Document], registry: Registry, row_id: str) -> dict[str, Any]:
    """Return what the log and the registry know of a row, by name, in the order to show.

    Raises:
        TaxiError: there is no such row, it cannot be read, or its version is gone.
    """
    with translated():
        document = lenient(database, PREDICTIONS).find_one({"_id": row_id})
    if document is None:
        raise TaxiError(f"row {row_id}: is not in the log; look at the id and the retention")
    try:
        record = record_of(document)
    except FieldError as error:
        raise TaxiError(f"row {row_id}: cannot be read; {error}") from error
    label = labels_of(database, [row_id], Unreadable()).get(row_id)
    model = model_of(registry.load(record.model_version))
    return explained(model, record, None if label is None else label.value)


def explained(model: OnnxModel, record: PredictionRecord, label: float | None) -> dict[str, Any]:
    """Return what is known of a row, by name, in the order to show.

    The names are fixed ones, and what the schema names follows a fixed word: so none is another's.
    """
    schema = model.schema
    row, problems = row_of(schema, record.inputs, record.event_time)
    features = derive(schema)(row)
    names = [feature.name for feature in schema.features]
    inputs = [column.name for column in schema.columns]
    return {
        "id": record.row_id,
        "answered": record.ts.isoformat(),
        "model_version": record.model_version,
        "model_role": record.model_role,
        **({"event_time": row.event_time} if schema.event_time else {}),
        **{f"input {name}": value for name, value in zip(inputs, row.values, strict=True)},
        **{f"unreadable {name}": str(reason) for name, reason in problems.items()},
        **{f"undeclared {name}": value for name, value in record.extra.items()},
        **{
            f"feature {name}": value
            for name, value in zip(names, features, strict=True)
            if name not in inputs
        },
        "unit": schema.target.unit,
        f"logged {schema.target.name}": record.prediction,
        f"again {schema.target.name}": predict_rows(model, [features])[0],
        f"label {schema.target.name}": label,
    }
