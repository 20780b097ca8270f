"""Artifacts for any schema, without training: a linear graph with a reference of given rows."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from taxi_domain.models import (
    ARTIFACT_FORMAT_VERSION,
    CARD_FILE,
    MODEL_NAME,
    ONNX_FILE,
    PROFILE_FILE,
    REFERENCE_FILE,
    SCHEMA_FILE,
)
from taxi_profiles.reference import Sample, reference_of
from taxi_schema.column import MISSING, Column, Drift, FeatureType, FeatureValue, Kind, Value
from taxi_schema.columns.arrays import columns_of
from taxi_schema.columns.rows import LabelledRows, to_bytes
from taxi_schema.features import derive
from taxi_schema.rows import Row
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact, artifact_of

#: Numbers count up to here: an answer stays finite whatever the row.
BOUND = 1e6
_TENSORS = {
    FeatureType.FLOAT: TensorProto.FLOAT, FeatureType.INTEGER: TensorProto.INT64,
    FeatureType.STRING: TensorProto.STRING,
}  # fmt: skip
_MONDAY = datetime(2021, 3, 1)  # noqa: DTZ001 - local
_BUCKETS = (0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98)
_MIN_BUCKETS = 8


@dataclass(frozen=True)
class Linear:
    """A model: a constant, a weight for each number, an addend for each category.

    Attributes:
        constant: Answer to a row of zeros.
        weights: By float feature; others have 0. A missing number is 0.
        addends: By integer or string feature and value; others have 0. A missing one is an ordinary
            value, `MISSING` of its type.
    """

    constant: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    addends: Mapping[str, Mapping[FeatureValue, float]] = field(default_factory=dict)

    def answer(self, schema: Schema, features: Sequence[FeatureValue]) -> float:
        """Return the answer to a feature row, within the limits of the target."""
        answer = self.constant
        for feature, value in zip(schema.features, features, strict=True):
            if feature.type is FeatureType.FLOAT:
                number = 0.0 if math.isnan(float(value)) else float(value)
                answer += self.weights.get(feature.name, 0.0) * min(max(number, -BOUND), BOUND)
            else:
                answer += self.addends.get(feature.name, {}).get(value, 0.0)
        return schema.target.clip(answer)

    def graph(self, schema: Schema) -> bytes:
        """Return the model as ONNX: all features by name, answers of shape (n, 1)."""
        nodes: list[NodeProto] = []
        terms = ["$constant"]
        constants = {"$constant": self.constant}
        for place, feature in enumerate(schema.features):
            if feature.type is FeatureType.FLOAT:
                constants[f"$weight{place}"] = self.weights.get(feature.name, 0.0)
                constants |= {"$low": -BOUND, "$high": BOUND, "$zero": 0.0}
                nodes += _weighted(feature.name, place)
            else:
                addends = self.addends.get(feature.name) or {MISSING[feature.type]: 0.0}
                nodes.append(_look_up(feature.name, place, feature.type, addends))
            terms.append(f"$term{place}")
        name = schema.target.name
        nodes.append(helper.make_node("Sum", terms, [name]))
        graph = helper.make_graph(
            nodes, "linear",
            graph_inputs(schema),
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1])],
            [
                helper.make_tensor(name, TensorProto.FLOAT, [] if name in _BOUNDS else [1], [value])
                for name, value in constants.items()
            ],
        )  # fmt: skip
        return model_bytes(graph)


#: `Clip` takes scalars.
_BOUNDS = ("$low", "$high")


def graph_inputs(schema: Schema) -> list[Any]:
    """Return inputs that take all features by name, each of shape (n, 1)."""
    return [
        helper.make_tensor_value_info(feature.name, _TENSORS[feature.type], [None, 1])
        for feature in schema.features
    ]


def model_bytes(graph: Any) -> bytes:
    """Return a graph as the file that the runtime loads."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    return data


def _weighted(name: str, place: int) -> list[NodeProto]:
    """Return the nodes of one number; no feature's name begins with $."""
    missing, known, clipped = (f"${step}{place}" for step in ("missing", "known", "clipped"))
    return [
        helper.make_node("IsNaN", [name], [missing]),
        helper.make_node("Where", [missing, "$zero", name], [known]),
        helper.make_node("Clip", [known, "$low", "$high"], [clipped]),
        helper.make_node("Mul", [clipped, f"$weight{place}"], [f"$term{place}"]),
    ]


def _look_up(
    name: str, place: int, kind: FeatureType, addends: Mapping[FeatureValue, float]
) -> NodeProto:
    named = "keys_int64s" if kind is FeatureType.INTEGER else "keys_strings"
    keys: dict[str, Any] = {named: list(addends)}
    return helper.make_node(
        "LabelEncoder", [name], [f"$term{place}"], domain="ai.onnx.ml", default_float=0.0,
        values_floats=list(addends.values()), **keys,
    )  # fmt: skip


def linear_of(schema: Schema, rows: Sequence[Row], constant: float = 10.0) -> Linear:
    """Return a model that uses every feature of a schema, and every category of the rows."""
    table = list(map(derive(schema), rows))
    weights: dict[str, float] = {}
    addends: dict[str, dict[FeatureValue, float]] = {}
    for place, feature in enumerate(schema.features):
        if feature.type is FeatureType.FLOAT:
            weights[feature.name] = (place % 3 + 1) * 0.5
        else:
            seen = sorted({features[place] for features in table})
            addends[feature.name] = {value: number % 8 * 0.25 for number, value in enumerate(seen)}
    return Linear(constant, weights, addends)


def random_rows(schema: Schema, count: int = 400, seed: int = 1) -> list[Row]:
    """Return rows within the limits: numbers spread evenly, a few categories, an hour apart.

    Every row has an event time where the schema has one; nullable columns are missing in a tenth.
    """
    chance = random.Random(seed)
    return [
        Row(
            tuple(_value(column, chance) for column in schema.columns), f"r{number}",
            _MONDAY + timedelta(hours=number) if schema.event_time is not None else None,
        )
        for number in range(count)
    ]  # fmt: skip


def _value(column: Column, chance: random.Random) -> Value:
    if column.nullable and chance.random() < 0.1:
        return None
    if column.kind is Kind.BOOLEAN:
        return chance.random() < 0.5
    if column.values:
        return chance.choice(column.values)
    if column.type is FeatureType.STRING:
        return chance.choice("ABCDEFGH")
    low, high = max(column.low, -1000), min(column.high, 1000)
    if low > high:  # the limits are far from zero
        low, high = column.low, column.high
    if column.type is FeatureType.INTEGER:
        return chance.randint(int(low), int(min(high, low + 20)))
    return chance.uniform(low, high)


def labels_of(schema: Schema, model: Linear, rows: Sequence[Row], seed: int = 1) -> list[float]:
    """Return labels within the target's limits: the answers and some noise of mean 0."""
    chance = random.Random(seed)
    answers = (model.answer(schema, features) for features in map(derive(schema), rows))
    return [schema.target.clip(answer + chance.gauss(0, 1)) for answer in answers]


def artifact_for(
    schema: Schema,
    model: Linear | None = None,
    rows: Sequence[Row] | None = None,
    labels: Sequence[float] | None = None,
    **parts: Any,
) -> Artifact:
    """Return a whole artifact, as training makes it.

    Args:
        schema: Of the model.
        model: Answers; None uses every feature (`linear_of`).
        rows: Reference, each with an event time where the schema has one; None makes some.
        labels: Of the rows; None makes some.
        parts: `graph`: another one, bytes; `name`: of the model; any other is put into the card.
    """
    rows = random_rows(schema) if rows is None else rows
    model = linear_of(schema, rows) if model is None else model
    graph: bytes = parts.pop("graph", None) or model.graph(schema)
    target = np.array(labels_of(schema, model, rows) if labels is None else labels, np.float64)
    predicted = np.array([model.answer(schema, row) for row in map(derive(schema), rows)])
    columns, times = columns_of(schema, rows)
    reference = LabelledRows(columns, times, target, predicted, np.full(len(rows), np.nan))
    errors = predicted - target
    known = times[~np.isnat(times)]
    card = {
        "format_version": ARTIFACT_FORMAT_VERSION,
        "model": parts.pop("name", MODEL_NAME),
        "kind": "linear",
        "target": schema.target.name,
        "unit": schema.target.unit,
        "schema_sha256": schema.digest,
        "metrics": {
            "rmse": round(float(np.sqrt(np.mean(errors**2))), 6),
            "mae": round(float(np.mean(np.abs(errors))), 6),
            "rows": len(rows),
            "slices": {},
        },
        "data_window": {
            "from": str(known.min().astype("datetime64[s]")) if len(known) else None,
            "to": str(known.max().astype("datetime64[s]")) if len(known) else None,
            "rows": len(rows),
        },
        "prediction_buckets": buckets_of(predicted),
        "seed": 1,
        "libraries": {},
        **parts,
    }
    return artifact_of({
        ONNX_FILE: graph,
        CARD_FILE: json.dumps(card, sort_keys=True, indent=1).encode(),
        SCHEMA_FILE: schema.to_json(),
        REFERENCE_FILE: to_bytes(reference),
        PROFILE_FILE: reference_of(sample_of(schema, rows, predicted, target)).to_bytes(),
    })  # fmt: skip


def sample_of(schema: Schema, rows: Sequence[Row], predicted: Any, target: Any) -> Sample:
    """Return what the profile of these rows is made of."""
    measured = {
        column: [row.values[place] for row in rows]
        for place, column in enumerate(schema.columns)
        if column.drift is not Drift.IGNORED
    }
    _, times = columns_of(schema, rows)
    return Sample(
        numeric={
            column.name: np.array([math.nan if value is None else value for value in values])
            for column, values in measured.items()
            if column.kind is Kind.NUMBER
        },
        categorical={
            column.name: values  # type: ignore[misc]  # no number is among them
            for column, values in measured.items()
            if column.kind is not Kind.NUMBER
        },
        prediction=predicted,
        target=target,
        moments=None if schema.event_time is None else times.astype(np.int64) / 1e6,
        deciding=frozenset(
            column.name for column in schema.columns if column.drift is Drift.DECIDES
        ),
    )


def buckets_of(predicted: Any) -> list[float]:
    """Return upper bounds for a histogram of answers: quantiles, or steps where they are alike."""
    quantiles = np.quantile(predicted, _BUCKETS)
    bounds = sorted({float(f"{bound:.3g}") for bound in quantiles.tolist()})
    while len(bounds) < _MIN_BUCKETS:
        bounds.append(float(f"{bounds[-1] + max(abs(bounds[-1]) * 0.1, 1.0):.3g}"))
    return bounds
