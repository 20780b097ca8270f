"""Rows and answers in the bodies of inferences: KServe's protocols 1 and 2 (Open Inference).

https://kserve.github.io/website/docs/concepts/architecture/data-plane has both. Columns are found
by their names, else by their order in the schema: of the inputs alone, or of all columns.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from taxi_domain.errors import FieldError
from taxi_domain.records import MAX_PUSHED
from taxi_monitor.records.nesting import has_more
from taxi_schema.column import Column, FeatureType, Kind
from taxi_schema.schema import Schema

_REQUEST_REMEDY: Final = "send instances (protocol 1) or inputs (protocol 2) as JSON"
_RESPONSE_REMEDY: Final = "send predictions (protocol 1) or outputs (protocol 2) as JSON"
#: Of a tensor: dimensions, and the size of one of them.
_MAX_DEPTH: Final = 8
_MAX_SIZE: Final = 2**31


class Asked(NamedTuple):
    """One row of a request; what is not said of it is None.

    Attributes:
        fields: Values by name: columns, id, event time and undeclared ones.
    """

    fields: Mapping[str, object]


class Answers(NamedTuple):
    """What a response says.

    Attributes:
        predictions: One a row, not checked.
        version: Of the model, empty when it says none.
    """

    predictions: Sequence[object]
    version: str


def check_body(data: bytes, *names: str) -> None:
    """Require a JSON object with one of some lists; nothing of it is decoded.

    Raises:
        FieldError: it is none.
    """
    remedy = f"send {' or '.join(names)} as a list"
    if has_more(data, MAX_PUSHED, 2):
        raise FieldError("data", "has too many items", f"send at most {MAX_PUSHED} a request")
    try:
        body = msgspec.json.decode(data, type=_lists(*names))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FieldError("data", f"is no body of an inference ({error})", remedy) from error
    if not any(getattr(body, name) for name in names):
        raise FieldError("data", f"has no {' or '.join(names)}", remedy)


def rows_of(data: bytes, schema: Schema) -> list[Asked]:
    """Return the rows of a request's body.

    Raises:
        FieldError: they cannot be told, or are too many.
    """
    body = _object(data, _REQUEST_REMEDY)
    if isinstance(instances := body.get("instances"), list):
        _require_few(len(instances), "instances")
        return [_instance(one, schema) for one in instances]
    if isinstance(inputs := body.get("inputs"), list) and inputs:
        return _tensors(inputs, schema)
    raise FieldError("data", "has no instances or inputs", _REQUEST_REMEDY)


def answers_of(data: bytes, target: str) -> Answers:
    """Return the answers of a response's body.

    Args:
        data: The body.
        target: Name of the target: its output is taken, else the first one.

    Raises:
        FieldError: they cannot be told.
    """
    body = _object(data, _RESPONSE_REMEDY)
    if isinstance(predictions := body.get("predictions"), list):
        return Answers([_prediction(one, target) for one in predictions], "")
    if isinstance(outputs := body.get("outputs"), list) and outputs:
        tensors = [_tensor(one, "outputs") for one in outputs]
        tensor = next((one for one in tensors if one.name == target), tensors[0])
        if tensor.width != 1:
            raise FieldError(
                f"outputs.{tensor.name}", f"has {tensor.width} values a row",
                f"name the output with the prediction {target}",
            )  # fmt: skip
        version = body.get("model_version")
        return Answers(tensor.values, version if isinstance(version, str) else "")
    raise FieldError("data", "has no predictions or outputs", _RESPONSE_REMEDY)


def value_of(column: Column, value: object) -> object:
    """Return a value as its column has it: a tensor of floats has integers and booleans, too."""
    if isinstance(value, float) and value.is_integer() and column.type is FeatureType.INTEGER:
        value = int(value)
    if column.kind is Kind.BOOLEAN and value in (0, 1):
        return bool(value)
    return value


@cache
def _lists(*names: str) -> type[msgspec.Struct]:
    items = Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_PUSHED)]
    return msgspec.defstruct("Lists", [(name, items, []) for name in names])


class _Tensor(NamedTuple):
    name: str
    rows: int
    width: int
    values: list[object]


def _object(data: bytes, remedy: str) -> Mapping[str, Any]:
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FieldError("data", f"is not JSON ({error})", remedy) from error
    if not isinstance(body, dict):
        raise FieldError("data", "is no JSON object", remedy)
    return body


def _instance(instance: object, schema: Schema) -> Asked:
    if isinstance(instance, dict):
        return Asked(instance)
    values = instance if isinstance(instance, list) else [instance]
    columns = _columns_of(len(values), schema, "instances")
    return Asked({column.name: value for column, value in zip(columns, values, strict=True)})


def _prediction(value: object, target: str) -> object:
    if isinstance(value, dict):
        return value.get(target, next(iter(value.values())) if len(value) == 1 else None)
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _tensors(inputs: Sequence[object], schema: Schema) -> list[Asked]:
    tensors = [_tensor(one, "inputs") for one in inputs]
    (rows, *others) = {one.rows for one in tensors}
    if others:
        raise FieldError(
            "inputs", "have different numbers of rows", "send tensors of equal first size"
        )
    _require_few(rows, "inputs")
    by_name: dict[str, Sequence[object]] = {}
    for one in tensors:
        if one.width == 1 and (len(tensors) > 1 or one.name in schema.names):
            by_name[one.name] = one.values
            continue
        columns = _columns_of(one.width, schema, f"inputs.{one.name}")
        for place, column in enumerate(columns):
            by_name[column.name] = one.values[place :: one.width]
    return [Asked({name: values[row] for name, values in by_name.items()}) for row in range(rows)]


def _tensor(item: object, field: str) -> _Tensor:
    if not isinstance(item, dict) or not isinstance(name := item.get("name"), str):
        raise FieldError(field, "has a tensor without a name", "send name, shape, datatype, data")
    where = f"{field}.{name[:64]}"
    shape, data = item.get("shape"), item.get("data")
    if not isinstance(data, list):
        raise FieldError(where, "has no data", "send tensors as JSON, not in the binary form")
    if not (isinstance(shape, list) and 0 < len(shape) <= _MAX_DEPTH and all(map(_is_size, shape))):
        raise FieldError(where, "has no shape", "send it as a list of sizes")
    values = _flat(data)
    rows, width = int(shape[0]), 1
    for size in shape[1:]:
        width *= size
    if rows * width != len(values):
        raise FieldError(
            where, f"has {len(values)} values for the shape {shape}", "send as many as it says"
        )
    return _Tensor(name, rows, width, values)


def _flat(data: list[object]) -> list[object]:
    """Return the values in row-major order; the protocol takes nested lists, too."""
    for _ in range(_MAX_DEPTH):
        if not any(isinstance(one, list) for one in data):
            break
        data = [value for one in data for value in (one if isinstance(one, list) else [one])]
    return data


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_SIZE


def _columns_of(count: int, schema: Schema, field: str) -> Sequence[Column]:
    for columns in (schema.inputs, schema.columns):
        if len(columns) == count:
            return columns
    raise FieldError(
        field, f"has {count} values a row",
        f"send the {len(schema.inputs)} inputs in the schema's order, or each by its name",
    )  # fmt: skip


def _require_few(rows: int, field: str) -> None:
    if rows > MAX_PUSHED:
        raise FieldError(field, f"are {rows} rows", f"send at most {MAX_PUSHED} a request")
