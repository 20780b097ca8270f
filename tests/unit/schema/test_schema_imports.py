"""One row needs little: the predictor's start is not paid for by what training needs."""

import subprocess
import sys

CODE = """
import sys
from taxi_schema import (
    compatibility, features, labels, probes, reading, records, requests, signature,
)
heavy = {"numpy", "msgspec", "pandas", "pyarrow"} & sys.modules.keys()
parts = {name for name in sys.modules if name.startswith("taxi_domain.")}
print(sorted(heavy), sorted(parts))
"""


def test_all_but_columns_imports_no_numpy_and_of_other_parts_words_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60
    )

    assert (
        done.stdout.strip() == "[] ['taxi_domain.errors', 'taxi_domain.ids', 'taxi_domain.numbers']"
    )
