"""Feature rows as the inputs of a graph: for many rows, and in place for one."""

import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from taxi_schema.column import MISSING_INTEGER, FeatureType
from taxi_schema.features import FeatureRow
from taxi_schema.schema import Schema
from taxi_schema.signature import Tensor, packed_input

Array = NDArray[Any]
Feed = dict[str, Array]

_TYPES: Final[Mapping[FeatureType, Any]] = {
    FeatureType.FLOAT: np.float32, FeatureType.INTEGER: np.int64, FeatureType.STRING: object,
}  # fmt: skip
#: Each value has 8 bytes of a row's buffer.
_CODES: Final[Mapping[FeatureType, str]] = {FeatureType.FLOAT: "f4x", FeatureType.INTEGER: "q"}
_BYTES: Final = 8
_LARGEST: Final = float(np.finfo(np.float32).max)


class Cells(NamedTuple):
    """Tensors of one row.

    Attributes:
        feed: Those of numbers share one buffer.
        write: Puts a row into them.
        bindable: No strings are among them: onnxruntime copies these at each run.
    """

    feed: Feed
    write: Callable[[FeatureRow], None]
    bindable: bool


class Inputs(Protocol):
    """How rows become a graph's inputs."""

    def feed(self, rows: Sequence[FeatureRow]) -> Feed:
        """Return tensors of all rows."""

    def feed_columns(self, columns: Mapping[str, Array]) -> Feed:
        """Return the same tensors of features as `taxi_schema.columns` has them."""

    def cells(self) -> Cells:
        """Return tensors of one row."""


def inputs_of(schema: Schema, inputs: Mapping[str, Tensor]) -> Inputs:
    """Return how rows become the inputs of a graph.

    Args:
        schema: Of the rows.
        inputs: Of the graph; `taxi_schema.signature` has accepted them.
    """
    packed = packed_input(schema, inputs)
    return PackedInput(schema, packed) if packed else NamedInputs(schema, inputs)


class NamedInputs:
    """A graph that takes features by name."""

    def __init__(self, schema: Schema, inputs: Mapping[str, Tensor]) -> None:
        self._taken = [
            (place, feature, _shape(inputs[feature.name]))
            for place, feature in enumerate(schema.features)
            if feature.name in inputs
        ]
        self._count = len(schema.features)

    def feed(self, rows: Sequence[FeatureRow]) -> Feed:
        """Return tensors of all rows."""
        values = list(zip(*rows, strict=True))
        # Each column in its own type: a table of floats would round large integers.
        return {
            feature.name: _column(values[place], feature.type).reshape(shape)
            for place, feature, shape in self._taken
        }

    def feed_columns(self, columns: Mapping[str, Array]) -> Feed:
        """Return tensors of columns, each of shape (n,)."""
        return {
            feature.name: _typed(columns[feature.name], feature.type).reshape(shape)
            for _, feature, shape in self._taken
        }

    def cells(self) -> Cells:
        """Return tensors of one row."""
        texts = [part for part in self._taken if part[1].type is FeatureType.STRING]
        numbers = [part for part in self._taken if part[1].type is not FeatureType.STRING]
        feed: Feed = {
            feature.name: np.array([""], object).reshape(shape) for _, feature, shape in texts
        }
        buffer = np.zeros(_BYTES * len(numbers), np.uint8)
        for index, (_, feature, shape) in enumerate(numbers):
            kind = np.dtype(_TYPES[feature.type])
            cell = buffer[_BYTES * index :][: kind.itemsize]
            feed[feature.name] = cell.view(kind).reshape(shape)
        write = _chosen(
            [place for place, *_ in numbers], self._count,
            _writer("".join(_CODES[feature.type] for _, feature, _ in numbers), buffer),
        )  # fmt: skip
        if not texts:
            return Cells(feed, write, bindable=True)
        cells = [(place, feed[feature.name].reshape(-1)) for place, feature, _ in texts]

        def write_all(row: FeatureRow) -> None:
            write(row)
            for place, cell in cells:
                cell[0] = row[place]

        return Cells(feed, write_all, bindable=False)


class PackedInput:
    """A graph that takes all features in one tensor of floats; a missing integer is NaN there."""

    def __init__(self, schema: Schema, name: str) -> None:
        self._name = name
        self._names = tuple(feature.name for feature in schema.features)
        self._count = len(self._names)
        self._integers = [
            place
            for place, feature in enumerate(schema.features)
            if feature.type is FeatureType.INTEGER
        ]

    def feed(self, rows: Sequence[FeatureRow]) -> Feed:
        """Return the tensor of all rows."""
        return self._packed(np.array(rows, np.float64))

    def feed_columns(self, columns: Mapping[str, Array]) -> Feed:
        """Return the tensor of columns, each of shape (n,)."""
        return self._packed(
            np.column_stack([columns[name] for name in self._names]).astype(np.float64)
        )

    def _packed(self, table: Array) -> Feed:
        # The signature lets only integers in that a float holds exactly.
        for place in self._integers:
            column = table[:, place]
            column[column == MISSING_INTEGER] = np.nan
        return {self._name: _float32(table)}

    def cells(self) -> Cells:
        """Return the tensor of one row."""
        tensor = np.zeros((1, self._count), np.float32)
        write = _writer("f" * self._count, tensor)
        integers = self._integers

        def write_known(row: FeatureRow) -> None:
            if MISSING_INTEGER in row:  # or a number that equals it
                values = list(row)
                for place in integers:
                    if values[place] == MISSING_INTEGER:
                        values[place] = np.nan
                row = tuple(values)
            write(row)

        return Cells({self._name: tensor}, write_known if self._integers else write, bindable=True)


def _column(values: Sequence[Any], kind: FeatureType) -> Array:
    """Return a feature of many rows, shape (n,)."""
    return _typed(np.array(values, np.float64 if kind is FeatureType.FLOAT else _TYPES[kind]), kind)


def _typed(array: Array, kind: FeatureType) -> Array:
    """Return a feature as the type of its tensor."""
    return _float32(array) if kind is FeatureType.FLOAT else array.astype(_TYPES[kind], copy=False)


def _float32(array: Array) -> Array:
    """Return 32-bit floats; as in training, what is beyond them is the nearest one."""
    return np.clip(array, -_LARGEST, _LARGEST).astype(np.float32)


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return (-1,) if len(tensor.shape) == 1 else (-1, 1)


def _chosen(
    places: Sequence[int], count: int, write: Callable[[FeatureRow], None]
) -> Callable[[FeatureRow], None]:
    """Return a function of a row of `count` features that writes those of some places."""
    if len(places) == count:
        return write
    if len(places) < 2:
        return lambda row: write(tuple([row[place] for place in places]))
    chosen = itemgetter(*places)
    return lambda row: write(chosen(row))


def _writer(codes: str, buffer: Array) -> Callable[[FeatureRow], None]:
    pack_into, memory = struct.Struct(f"={codes}").pack_into, buffer.data

    def write(row: FeatureRow) -> None:
        try:
            pack_into(memory, 0, *row)
        except OverflowError:
            # As above; what is missing, NaN, stays.
            pack_into(memory, 0, *[
                max(min(value, _LARGEST), -_LARGEST) if isinstance(value, float) else value
                for value in row
            ])  # fmt: skip

    return write
