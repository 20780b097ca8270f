"""The same rows of the log as models of several schemas see them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxi_schema.columns.rows import LabelledRows, joined
from taxi_schema.schema import Schema
from taxi_store.log.labelled import LabelledRow
from taxi_train.data.rows import of_log


@dataclass(frozen=True, slots=True)
class Views:
    """The same n rows, in the same order, by each schema.

    Attributes:
        rows: By the schema's digest.
    """

    rows: Mapping[str, LabelledRows]

    def of(self, schema: Schema) -> LabelledRows:
        """Return the rows as a schema has them."""
        return self.rows[schema.digest]

    def __getitem__(self, chosen: slice | NDArray[Any]) -> "Views":
        """Return some of the rows."""
        return Views({digest: rows[chosen] for digest, rows in self.rows.items()})


def views_of(schemas: Iterable[Schema], pieces: Iterable[Sequence[LabelledRow]]) -> Views:
    """Read rows of the log once by each schema; most often all are the same one.

    Args:
        schemas: Those that are needed.
        pieces: Of the log, the newest first, each in the order of time; only columns of each are
            kept.
    """
    distinct = {schema.digest: schema for schema in schemas}
    parts: dict[str, list[LabelledRows]] = {digest: [] for digest in distinct}
    for piece in pieces:
        for digest, schema in distinct.items():
            parts[digest].append(of_log(schema, piece))
    return Views({
        digest: joined([*reversed(parts[digest])] or [of_log(schema, [])])
        for digest, schema in distinct.items()
    })  # fmt: skip


def last(views: Views, rows: int) -> Views:
    """Return the last rows."""
    length = len(next(iter(views.rows.values())))
    return views[np.arange(length - rows, length)]
