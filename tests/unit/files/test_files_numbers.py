"""Numbers of Arrow as numpy has them, whatever is null and wherever an array begins."""

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_files.numbers import nulls_in, numbers_in


@given(
    values=st.lists(st.none() | st.integers(-100, 100), max_size=40),
    kind=st.sampled_from([pa.int8(), pa.int64(), pa.float32(), pa.float64()]),
    ends=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_values_and_nulls_are_those_of_the_list(
    values: list[int | None], kind: pa.DataType, ends: tuple[int, int]
) -> None:
    start, stop = sorted(ends)
    array = pa.array(values, kind)[start:stop]

    assert numbers_in(array, 7).tolist() == [7 if one is None else one for one in array.to_pylist()]
    assert nulls_in(array).tolist() == [one is None for one in values[start:stop]]
    assert numbers_in(array, 7).dtype == kind.to_pandas_dtype()


@pytest.mark.parametrize("module", ["taxi_files.reading", "taxi_report.main"])
def test_nothing_here_imports_pandas(module: str) -> None:
    program = (
        "import sys, pathlib, pyarrow as pa, numpy as np\n"
        f"import {module}\n"
        "from taxi_files.numbers import numbers_in\n"
        "buffer = pa.py_buffer(np.arange(4.0))\n"
        "array = pa.Array.from_buffers(pa.float64(), 4, [pa.py_buffer(b'\\x05'), buffer])\n"
        "assert np.nansum(numbers_in(array, np.nan)) == 2\n"
        "assert 'pandas' not in sys.modules\n"
    )

    subprocess.run(
        [sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
