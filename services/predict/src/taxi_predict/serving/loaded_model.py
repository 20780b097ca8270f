"""A model that is ready to answer: what it is asked, its graph, and its answers."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.models import CARD_FILE, ONNX_FILE, SCHEMA_FILE
from taxi_predict.serving.answers import Answer, answer_of
from taxi_predict.serving.onnx_model import ModelError, OnnxModel
from taxi_schema.features import FeatureRow, derive
from taxi_schema.reading import schema_of_json
from taxi_schema.requests import RequestParser
from taxi_schema.rows import Row
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact

logger = logging.getLogger(__name__)

_BODY: Final = "body"
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A version that can answer.

    Attributes:
        version: First digits of the digest.
        digest: SHA-256 of the artifact.
        card: What is known of it.
        schema: What it is asked and what it answers.
        graph: Answers feature rows.
        parser: Checks bodies and makes rows.
        parse: The parser's method.
        features: Makes the feature row of a row.
        answer: Makes an answer of a row's id, its prediction and the version.
        columns: Names of the schema's columns, in the order of a row's values.
        fields: What a request may have: columns, id and event time.
        buckets: Upper bounds for the histogram of its answers, in the target's unit.
    """

    version: str
    digest: str
    card: dict[str, Any]
    schema: Schema
    graph: OnnxModel
    parser: RequestParser
    parse: Callable[[object], Row]
    features: Callable[[Row], FeatureRow]
    answer: Answer
    columns: tuple[str, ...]
    fields: frozenset[str]
    buckets: tuple[float, ...]

    def reason_of(self, error: FieldError) -> str:
        """Return the word for the counter of refused rows: the field when it is declared.

        Other fields are named by clients, who might write the words that only the predictor uses.
        """
        return error.field if error.field in self.fields or error.field == _BODY else OTHER


class NoAnswerError(TaxiError):
    """The model has no finite answer for a row; the row is not to blame.

    Args:
        target: Name of what should have been answered.
    """

    def __init__(self, target: str) -> None:
        super().__init__(
            f"{target}: the model has no finite answer for this row; other rows are "
            "answered, and it helps to go back to another model version"
        )
        self.target = target


def loaded(artifact: Artifact) -> LoadedModel:
    """Make a model of an artifact.

    Raises:
        TaxiError: it cannot be used.
    """
    if SCHEMA_FILE not in artifact.files:
        raise ModelError(f"artifact: {SCHEMA_FILE} is missing; pack the artifact again")
    schema = schema_of_json(artifact.files[SCHEMA_FILE])
    card = artifact.card
    if card.get("schema_sha256", schema.digest) != schema.digest:
        raise ModelError(
            f"{CARD_FILE}: schema_sha256 is not that of {SCHEMA_FILE}; pack the artifact again"
        )
    graph = OnnxModel(artifact.files[ONNX_FILE], schema)
    if weakness := graph.weakness():
        # One row that fails is better than a pod that answers none; the gate refuses candidates.
        logger.warning(
            "model has no answer for some rows",
            extra={"version": artifact.version, "reason": weakness},
        )
    parser = RequestParser(schema)
    columns = tuple(column.name for column in schema.columns)
    time = () if schema.event_time is None else (schema.event_time.name,)
    return LoadedModel(
        artifact.version, artifact.digest, card, schema, graph, parser, parser.parse,
        derive(schema), answer_of(schema), columns, frozenset((schema.id, *time, *columns)),
        _buckets(card),
    )  # fmt: skip


def _buckets(card: dict[str, Any]) -> tuple[float, ...]:
    """Return the upper bounds of the histogram of answers.

    Raises:
        ModelError: the card has none that can be used.
    """
    buckets = card.get("prediction_buckets")
    numbers = isinstance(buckets, list) and all(
        type(bound) in {int, float} and math.isfinite(bound) for bound in buckets
    )
    if not numbers or not buckets or sorted(set(buckets)) != buckets:
        raise ModelError(
            f"{CARD_FILE}: prediction_buckets are not ascending numbers; pack the artifact again"
        )
    return tuple(map(float, buckets))
