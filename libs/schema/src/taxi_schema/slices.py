"""Slices of rows in which a model may be worse although it is better on the whole."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from taxi_schema.errors import number_text


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of a category's values; what is in no group is in no slice.

    Attributes:
        name: Of the slice.
        column: The category.
        groups: Names of the groups, ascending, each with its values, ascending.
    """

    name: str
    column: str
    groups: tuple[tuple[str, tuple[int | str | bool, ...]], ...]

    def document(self) -> dict[str, Any]:
        """Return the slice as JSON has it."""
        groups = {group: list(values) for group, values in self.groups}
        return {"name": self.name, "column": self.column, "groups": groups}


@dataclass(frozen=True, slots=True)
class Bands:
    """Bands of a number, or of an hour or weekday.

    Attributes:
        name: Of the slice.
        column: The number or the derived feature.
        bounds: Where bands begin, ascending, in the unit of the column.
    """

    name: str
    column: str
    bounds: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the bands, one more than bounds; the upper bound belongs to the next.

        >>> Bands("distance", "distance_miles", (1.0, 3.0, 10.0)).labels
        ('below-1', '1-3', '3-10', 'from-10')
        """
        texts = [number_text(bound) for bound in self.bounds]
        between = (f"{low}-{high}" for low, high in pairwise(texts))
        return (f"below-{texts[0]}", *between, f"from-{texts[-1]}")

    def document(self) -> dict[str, Any]:
        """Return the slice as JSON has it."""
        return {"name": self.name, "column": self.column, "bands": list(self.bounds)}


Slice = Groups | Bands
