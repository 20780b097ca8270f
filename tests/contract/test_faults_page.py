"""The page of faults is made from its catalogue and the committed results, and its tests exist."""

import ast
import runpy
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "dev" / "faults_page.py"))
FAULTS = TOOL["catalogue"]()


@cache
def functions_of(path: str) -> set[str]:
    """Return the tests of a file, without collecting them."""
    tree = ast.parse((ROOT / path).read_text())
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


def test_page_is_up_to_date() -> None:
    page = TOOL["page"](FAULTS, TOOL["results"]())

    assert (ROOT / "docs" / "faults.md").read_text() == page


@pytest.mark.parametrize("test", TOOL["tests_of"](FAULTS))
def test_named_test_exists(test: str) -> None:
    path, _, name = test.partition("::")

    assert name in functions_of(path)


def test_fault_is_told_once_and_whole() -> None:
    told = [one.what for one in FAULTS]

    assert len(told) == len(set(told))
    for one in FAULTS:
        assert one.what, one
        assert one.must, one
        assert one.tests or one.gap, f"{one.what}: has no test, and no word about it"
        assert len(set(one.tests)) == len(one.tests), one.what
        assert "|" not in one.what + one.must + one.gap, one.what


def test_results_are_of_files_of_the_table() -> None:
    known = {test.partition("::")[0] for test in TOOL["tests_of"](FAULTS)}

    assert set(TOOL["results"]()) <= known


REPORT = """<testsuites><testsuite name="abc" timestamp="2026-01-02T03:04:05+00:00">
<testcase classname="tests.unit.test_a" name="test_b[one.two::three]" />
<testcase classname="tests.unit.test_a" name="test_b[2]"><failure message="m">t</failure></testcase>
<testcase classname="tests.unit.test_a" name="test_c"><skipped message="m">t</skipped></testcase>
<testcase classname="tests.unit.test_a" name="test_d"><skipped type="pytest.xfail" /></testcase>
<testcase classname="tests.unit.test_a" name="test_of_something_else" />
</testsuite></testsuites>"""


def test_report_replaces_the_results_of_its_files_alone() -> None:
    old = {"commit": "old", "date": "2025-01-01", "tests": {"test_gone": "passed"}}
    before = {"tests/unit/test_a.py": old, "tests/e2e/e.py": old, "tests/unit/not_named.py": old}
    known = [f"tests/unit/test_a.py::test_{name}" for name in "bcd"]

    found = TOOL["with_report"](before, ET.fromstring(REPORT), [*known, "tests/e2e/e.py::test_e"])

    assert found["tests/e2e/e.py"] == old
    assert found["tests/unit/test_a.py"] == {
        "commit": "abc", "date": "2026-01-02",
        "tests": {
            "test_b[one.two::three]": "passed", "test_b[2]": "failed", "test_c": "skipped",
            "test_d": "known to fail",
        },
    }  # fmt: skip
    assert len(found) == 2
    assert TOOL["ends_of"]("tests/unit/test_a.py::test_b", found) == ["passed", "failed"]
    assert TOOL["ends_of"]("tests/unit/test_a.py::test_b[2]", found) == ["failed"]
    assert TOOL["ends_of"]("tests/unit/test_a.py::test_bb", found) == []


def test_test_that_did_not_run_is_told() -> None:
    fault = TOOL["Fault"]("g", "w", "m", ("tests/unit/test_a.py::test_b", "tests/e2e/d.py::e"), "")
    run = {"commit": "abc", "date": "2026-01-02", "tests": {"test_b[1]": "passed"}}

    page = TOOL["page"]([fault], {"tests/unit/test_a.py": run})

    assert "| unit: 1 passed<br>cluster: not run |" in page
    assert "| unit | one part of the code | 2026-01-02, commit `abc` |" in page
    assert "| cluster | the release on a cluster with nodes | not run |" in page
