"""A worker and the delivery start without what only batch scoring needs."""

import subprocess
import sys

import pytest

CODE = """
import sys
import {module}
print(sorted({{"pyarrow", "typer", "tenacity", "taxi_files"}} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    "module", ["taxi_predict.server.main", "taxi_predict.app", "taxi_predict.delivery.main"]
)
def test_serving_imports_nothing_of_batch_scoring(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    assert done.stdout.strip() == "[]"
