"""Numbers of Arrow as numpy has them."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numbers_in(array: pa.Array, null: float) -> NDArray[Any]:
    """Return an array of integers or floats; it is not to be written to.

    Arrow's own ways import pandas, which takes most of a second and 50 MiB.

    Args:
        array: Of 8 bits or more each.
        null: What stands for a null.
    """
    kind = np.dtype(array.type.to_pandas_dtype())
    if not len(array):
        return np.zeros(0, kind)
    found = np.frombuffer(array.buffers()[1], kind, len(array), array.offset * kind.itemsize)
    return np.where(nulls_in(array), kind.type(null), found) if array.null_count else found


def nulls_in(array: pa.Array) -> NDArray[np.bool_]:
    """Tell which values of an array are null."""
    if not array.null_count:
        return np.zeros(len(array), np.bool_)
    return numbers_in(array.is_null().cast(pa.int8()), 0).astype(np.bool_)
