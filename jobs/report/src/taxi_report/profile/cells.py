"""Counts and errors by cell of a slice, of two slices together, or of time."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

#: Rows of a table: rows, labelled rows, and over the labelled ones the sums of the error
#: (prediction minus label), of its absolute value, and of its square.
ROWS, LABELLED, ERRORS, ABSOLUTE, SQUARES = range(5)
_SUMS: Final = 5


def table_of(cells: Ids, errors: Floats, size: int) -> Floats:
    """Count rows and errors by cell.

    Args:
        cells: Cell of each row, 0 to size - 1, shape (n,).
        errors: Error of each row, shape (n,); NaN without a label.
        size: Cells.

    Returns:
        Shape (5, size); tables of other rows are added to it.
    """
    labelled = np.isfinite(errors)
    own, known = cells[labelled], errors[labelled]
    table = np.zeros((_SUMS, size))
    table[ROWS] = np.bincount(cells, minlength=size)
    table[LABELLED] = np.bincount(own, minlength=size)
    for place, values in (
        (ERRORS, known),
        (ABSOLUTE, np.abs(known)),
        (SQUARES, known**2),
    ):
        table[place] = np.bincount(own, values, minlength=size)
    return table
