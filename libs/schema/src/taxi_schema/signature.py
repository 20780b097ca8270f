"""What an ONNX graph may take and give for a schema."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from taxi_schema.column import Column, FeatureType, Kind
from taxi_schema.derived import Cross, Derived
from taxi_schema.schema import Schema

#: Types in the words of ONNX.
TENSORS: Final[Mapping[FeatureType, str]] = {
    FeatureType.FLOAT: "tensor(float)",
    FeatureType.INTEGER: "tensor(int64)",
    FeatureType.STRING: "tensor(string)",
}
_OUTPUTS: Final = ("tensor(float)", "tensor(double)")
#: A 32-bit float holds every integer up to this one.
MAX_EXACT: Final = 2**24


class Tensor(NamedTuple):
    """An input or output of a graph.

    Attributes:
        type: In the words of ONNX.
        shape: Of each dimension its length, or anything else where it is open.
    """

    type: str
    shape: Sequence[object] = ()


def signature_problem(
    schema: Schema, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]
) -> str:
    """Say why a graph with this signature cannot be used; empty when it can.

    It takes either some of the features by name, each of its own type and of shape (n, 1) or
    (n,), or one float tensor of shape (n, k) with all k features in the order of
    `schema.features`. It gives the output that is named like the target, else its first one,
    as floats.

    Args:
        schema: Of the model.
        inputs: Of the graph, by name.
        outputs: Of the graph, in their order.
    """
    reasons = [_named_problem(schema, inputs)]
    if len(inputs) == 1 and reasons[0]:
        packed = _packed_problem(schema, *inputs.values())
        if not packed:
            reasons.clear()
        elif _is_matrix(*inputs.values()):
            reasons = [packed]
    reasons.append(_output_problem(schema, outputs))
    return "; ".join(reason for reason in reasons if reason)


def packed_input(schema: Schema, inputs: Mapping[str, Tensor]) -> str:
    """Return the name of the one tensor that has all features; empty when they go by name.

    A missing integer is NaN in it.
    """
    return next(iter(inputs)) if _named_problem(schema, inputs) else ""


def output_of(schema: Schema, outputs: Mapping[str, Tensor]) -> str:
    """Return the name of the output that has the answers."""
    target = schema.target.name
    return target if target in outputs else next(iter(outputs))


def _named_problem(schema: Schema, inputs: Mapping[str, Tensor]) -> str:
    wanted = {feature.name: TENSORS[feature.type] for feature in schema.features}
    taken = {name: tensor.type for name, tensor in inputs.items()}
    if not inputs or not taken.items() <= wanted.items():
        return (
            f"takes {taken}; it must take some of {wanted}, or one {_OUTPUTS[0]} of shape "
            f"(n, {len(wanted)}) with all of them in this order"
        )
    for name, tensor in inputs.items():
        if len(tensor.shape) > 2 or (len(tensor.shape) == 2 and not _may_be(tensor.shape[1], 1)):
            return f"takes {name} of shape {_shape(tensor)}; it must be (n, 1) or (n,)"
    return ""


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.type == TENSORS[FeatureType.FLOAT] and len(tensor.shape) == 2


def _packed_problem(schema: Schema, tensor: Tensor) -> str:
    count = len(schema.features)
    if not _is_matrix(tensor) or not _may_be(tensor.shape[1], count):
        return (
            f"takes one {tensor.type} of shape {_shape(tensor)}; it must be {_OUTPUTS[0]} of shape "
            f"(n, {count}) with the features {[feature.name for feature in schema.features]}"
        )
    for feature, source in zip(schema.features, _sources(schema), strict=True):
        if not _fits_float(source):
            what = "strings" if feature.type is FeatureType.STRING else f"more than {MAX_EXACT}"
            return (
                f"takes one {_OUTPUTS[0]}, which cannot hold {feature.name} ({what}); "
                f"take {feature.name} by name as {TENSORS[feature.type]}"
            )
    return ""


def _sources(schema: Schema) -> tuple[Column | Derived, ...]:
    return (*schema.inputs, *schema.derived)


def _fits_float(source: Column | Derived) -> bool:
    """Tell whether a 32-bit float holds every value as it is, or nearly when it is a number."""
    if isinstance(source, Cross):
        return bool(source.digits) and 10 ** sum(source.digits) <= MAX_EXACT
    if not isinstance(source, Column) or source.kind is not Kind.CATEGORY:
        return True
    if source.type is FeatureType.STRING:
        return False
    ends = source.values or (source.low, source.high)
    return int(ends[0]) >= -MAX_EXACT and int(ends[-1]) <= MAX_EXACT


def _output_problem(schema: Schema, outputs: Mapping[str, Tensor]) -> str:
    given = {name: tensor.type for name, tensor in outputs.items()}
    if outputs and given[output_of(schema, outputs)] in _OUTPUTS:
        return ""
    return f"gives {given}; it must give {schema.target.name} as {_OUTPUTS[0]}"


def _may_be(dimension: object, length: int) -> bool:
    """Tell whether a dimension may have this length; one that is no integer is open."""
    return not isinstance(dimension, int) or dimension == length


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(str(dimension) for dimension in tensor.shape)})"
