"""Which rows of a block are in which slice of the schema."""

from collections.abc import Mapping

import numpy as np

from taxi_monitor.evidence.pieces import Piece
from taxi_monitor.windows.reader import RowReader
from taxi_monitor.windows.window import WIDTH, Floats, Mask
from taxi_profiles.reference import MOMENT
from taxi_schema.column import FeatureType
from taxi_schema.columns.slices import slices_of


class Members:
    """Tells the members of slices.

    A slice of a column that is neither measured nor an input of the model has none here.

    Args:
        reader: Of the version.
    """

    def __init__(self, reader: RowReader) -> None:
        self._schema = reader.schema
        wanted = {one.column for one in reader.schema.slices}
        types = {column.name: column.type for column in reader.schema.columns}
        self._columns = {
            name: (
                WIDTH + place,
                (*reader.reference.categories.get(name, ()), "")
                if types[name] is FeatureType.STRING
                else None,
            )
            for place, name in enumerate(reader.names)
            if name in wanted
        }

    def of(self, piece: Piece) -> Mapping[str, Mask]:
        """Return masks by `slice=group`, each of shape (n,)."""
        if not self._schema.slices:
            return {}
        moments = piece.columns((), targets=False)[MOMENT]
        times = np.full(len(piece), "NaT", "datetime64[ms]")
        known = np.isfinite(moments)
        times[known] = np.rint(moments[known] * 1000).astype(np.int64).astype("datetime64[ms]")
        columns = {
            name: _texts(piece.table[:, at], texts) for name, (at, texts) in self._columns.items()
        }
        columns = columns or {"": np.zeros(len(piece))}
        return slices_of(self._schema, columns, times)


def _texts(column: Floats, texts: tuple[str, ...] | None) -> np.ndarray:
    """Return a column as files have it: texts in the place of codes, none for unseen ones."""
    if texts is None:
        return column
    codes = np.where(np.isfinite(column), column, len(texts) - 1).astype(np.int64)
    return np.array(texts, object)[np.minimum(codes, len(texts) - 1)]
