"""The page of metrics is the catalogue's, and each entry of the catalogue is exported."""

import re
import runpy
from pathlib import Path

import pytest

from taxi_domain import evidence_metrics, metrics, storage_metrics
from taxi_domain.metric import Metric

ROOT = Path(__file__).parents[2]


def test_page_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "dev" / "metrics_page.py"))["page"]

    assert (ROOT / "docs" / "metrics.md").read_text() == page()


@pytest.mark.parametrize(
    "name",
    [
        name
        for module in (metrics, evidence_metrics, storage_metrics)
        for name, value in vars(module).items()
        if isinstance(value, Metric)
    ],
)
def test_a_part_sets_every_entry(name: str) -> None:
    parts = [
        path
        for folder in ("services", "operator", "jobs", "libs/runtime")
        for path in (ROOT / folder).rglob("*.py")
    ]
    uses = [
        line
        for path in parts
        for line in path.read_text().splitlines()
        if re.search(rf"\b{name}\b", line) and not re.match(r"from|import|    \w+,$", line)
    ]

    assert uses, f"{name} is in the catalogue, and no part exports it"
