"""The result file, and the targets that its figures are held to."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from serving.base import COMMIT
from serving.peers import versions
from serving.rounds import Figures

RESULT = Path(__file__).parents[1] / "results" / "predict.json"
_LIBRARIES = ("flask", "gunicorn", "gevent", "onnxruntime", "pymongo", "msgspec")
#: Figure, whether it should be at least or at most this, and the limit.
TARGETS = (
    ("rate_over_base", "at least", 0.99), ("batch_over_base", "at least", 0.99),
    ("cpu_over_base", "at most", 1.01), ("memory_over_base", "at most", 1.05),
    ("monitored_over_unmonitored", "at least", 0.95),
    ("monitored_over_constant", "at least", 0.80),
    ("p99_monitored_over_unmonitored", "at most", 1.25),
    ("sustained_monitored_over_unmonitored", "at least", 0.92),
    ("rate_over_mlserver", "at least", 1.0), ("rate_over_bentoml", "at least", 1.0),
    ("rate_over_fastapi", "at least", 1.0), ("p99_over_mlserver", "at most", 1.0),
    ("p99_over_bentoml", "at most", 1.0), ("p99_over_fastapi", "at most", 1.0),
)  # fmt: skip


def write(figures: Figures, arguments: Sequence[str]) -> None:
    """Print the figures that have targets, and write the result file."""
    table = Table("figure", "target", "measured", "")
    for name, bound, limit in TARGETS:
        met = figures[name] >= limit if bound == "at least" else figures[name] <= limit
        table.add_row(name, f"{bound} {limit}", str(figures[name]), "" if met else "missed")
    Console().print(table)
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    document = {
        "figures": figures,
        "command": " ".join(["make bench-predict", *arguments]),
        "machine": _machine(),
        "base": COMMIT,
        "versions": {"python": platform.python_version(), **libraries, **versions()},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def _machine() -> dict[str, str | int | None]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")
    return {"processor": model, "cores": os.cpu_count(), "kernel": platform.release()}
