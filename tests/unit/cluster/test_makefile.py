"""The verbs of the Makefile: what they need, and that a failure stops them."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("verb", ["install", "traffic", "tell", "down-release"])
def test_verbs_of_users_need_three_programs_only(verb: str) -> None:
    printed = make("--dry-run", verb).stdout

    assert re.findall(r"tools --print-path(.*?)\)", printed) == [" kubectl kind helm"]


@pytest.mark.parametrize("verb", ["install", "test-chart", "tell"])
def test_programs_that_cannot_be_had_stop_a_verb(verb: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    words = [f"{name}=touch {mark}" for name in ("STORIES", "PYTHON")]

    done = make(verb, "--assume-old=setup", "BUILDER=false", *words)

    assert done.returncode != 0
    assert not mark.exists()


def test_every_verb_of_the_help_says_how_long_it_took() -> None:
    text = (ROOT / "Makefile").read_text()
    recipes = re.findall(r"^([a-z0-9%-]+):.*## .*\n((?:\t.*\n)+)", text, re.MULTILINE)

    assert len(recipes) > 15
    assert [verb for verb, recipe in recipes if "$(TIMED)" not in recipe] == ["help"]


def test_removing_from_a_cluster_that_is_not_ours_removes_the_release() -> None:
    assert "uninstall" in make("--dry-run", "down", "CLUSTER=existing").stdout
    assert "uninstall" not in make("--dry-run", "down", "CLUSTER=kind").stdout


@pytest.mark.parametrize("given", [("SCHEMA",), ("DATA",), ("SCHEMA", "DATA")])
def test_what_is_given_to_try_is_passed_on(given: tuple[str, ...]) -> None:
    printed = make("--dry-run", "try", *(f"{name}=my file" for name in given)).stdout

    options = re.findall(r'--(schema|data) "my file"', printed)
    assert [option.upper() for option in options] == list(given)
