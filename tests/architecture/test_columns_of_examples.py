"""Columns of the examples are named by the examples alone: any other model must do as well."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCHEMAS = sorted(ROOT.glob("models/*/schema.toml"))
#: What serves every model.
FOLDERS = ("libs", "services", "operator", "jobs", "tools", "charts")


def distinctive_names(path: Path) -> list[str]:
    """Return a schema's names that are no ordinary words: these may stand anywhere."""
    document = tomllib.loads(path.read_text())
    names = [
        document["id"], document["event_time"]["name"], document["target"]["name"],
        *(column["name"] for column in document["columns"]), *document["derived"],
    ]  # fmt: skip
    return [name for name in names if not (name.isalpha() and name.islower())]


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.parent.name)
def test_no_part_names_a_column_of_an_example(path: Path) -> None:
    names = distinctive_names(path)
    assert len(names) >= 4

    patterns = [word for name in names for word in ("-e", name)]
    found = subprocess.run(
        ["git", "grep", "--untracked", "-n", "-w", "-F", *patterns, "--", *FOLDERS],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (found.returncode, found.stdout) == (1, ""), "1: git found nothing"


def test_both_examples_are_looked_at() -> None:
    assert {path.parent.name for path in SCHEMAS} >= {"taxi_duration", "flight_delay"}
