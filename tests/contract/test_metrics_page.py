"""The page of metrics is the catalogue's."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_page_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "dev" / "metrics_page.py"))["page"]

    assert (ROOT / "docs" / "metrics.md").read_text() == page()
