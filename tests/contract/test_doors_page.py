"""The page of doors is what the routes declare, and each route declares its door."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_page_is_up_to_date() -> None:
    page = runpy.run_path(str(ROOT / "tools" / "dev" / "doors_page.py"))["page"]

    assert (ROOT / "docs" / "doors.md").read_text() == page()
