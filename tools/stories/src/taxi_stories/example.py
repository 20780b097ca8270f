"""The worked examples of `models/`, as the stories send their rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from taxi_domain.models import MODEL_NAME
from taxi_schema.reading import read_schema
from taxi_schema.schema import Schema
from taxi_stories.rows import Body, read_rides, read_rows

_MODELS: Final = Path(__file__).parents[4] / "models"


@dataclass(frozen=True, slots=True)
class Example:
    """A folder with a schema and samples.

    Attributes:
        name: Of the folder.
        model: Name of the model, in the registry and in the metrics.
        noun: What the rows are, in the plural.
        read: Reads a sample by the schema.
        own_schema: The chart gets the schema's text, as for a model of one's own, instead of the
            example's name alone; its groups stand inline then.
    """

    name: str
    model: str
    noun: str
    read: Callable[[Schema, Path], Sequence[Body]]
    own_schema: bool = False
    schema: Schema = field(init=False)

    def __post_init__(self) -> None:
        """Read the schema."""
        object.__setattr__(self, "schema", read_schema(self.folder / "schema.toml"))

    @property
    def folder(self) -> Path:
        """Where the example is."""
        return _MODELS / self.name

    def rows(self, sample: str) -> Sequence[Body]:
        """Return the rows of a sample, in the order of time.

        Raises:
            TaxiError: the sample cannot be read.
        """
        return self.read(self.schema, self.folder / "samples" / f"{sample}.parquet")

    def values(self, first: str) -> Mapping[str, object]:
        """Return the chart's values for a release whose first model learns from a sample."""
        text = (self.folder / "schema.toml").read_text() if self.own_schema else ""
        return {
            "model": {"name": self.model, "schema": text},
            "firstModel": {"example": f"{self.name}/{first}"},
        }


TAXI: Final = Example("taxi_duration", MODEL_NAME, "rides", read=lambda _, path: read_rides(path))
FLIGHTS: Final = Example("flight_delay", "flight-delay", "flights", read_rows, own_schema=True)
