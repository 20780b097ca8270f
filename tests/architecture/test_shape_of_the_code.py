"""The shape of the code: names, sizes, and what must never stand in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BANNED_MODULES = {"utils", "util", "helpers", "common", "misc", "manager", "core"}
MAX_FILE = 400
LOADS_PICKLE = re.compile(
    r"^\s*(import|from) (\w*pickle|joblib|dill|shelve)\b|read_pickle|allow_pickle(?!=False)",
    re.MULTILINE,
)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


SOURCES = [path for path in tracked("*.py") if "src" in path.relative_to(ROOT).parts]


def test_sources_are_found() -> None:
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_short_and_named_after_a_concept(path: Path) -> None:
    assert path.stem not in BANNED_MODULES
    assert len(path.read_text().splitlines()) <= MAX_FILE


def test_nothing_in_the_operator_folder_shadows_the_standard_library() -> None:
    assert not list((ROOT / "operator").glob("*.py"))


def test_no_file_at_the_root_shadows_the_standard_library() -> None:
    names = {path.stem for path in ROOT.glob("*.py")}

    assert not names & set(sys.stdlib_module_names)


def test_no_pickle_is_ever_loaded() -> None:
    assert not [path for path in SOURCES if LOADS_PICKLE.search(path.read_text())]


def test_examples_and_texts_name_no_machine_path() -> None:
    texts = tracked("*.md", "*.py", "*.yaml", "*.sh", "Makefile")

    assert not [path for path in texts if "/wo" + "rk/main" in path.read_text()]
