"""Write docs/faults.md: what can go wrong, what must happen then, its tests, and how they ended.

    python tools/dev/faults_page.py [report.xml ...]    # reports of `pytest --junitxml`
    python tools/dev/faults_page.py --tests             # print the tests that need no cluster

The faults stand in tests/faults.toml, the results of the last runs in tests/faults_results.json.
A report takes the place of all results of the files that it has tests of.
"""

import json
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CATALOGUE: Final = ROOT / "tests" / "faults.toml"
RESULTS: Final = ROOT / "tests" / "faults_results.json"
PAGE: Final = ROOT / "docs" / "faults.md"

#: Levels by the beginning of a test's path, the longest first; what each of them has that is real.
LEVELS: Final = {
    "tests/unit/operator/test_simulated_": (
        "simulator", "the operator's whole code in a simulated cluster, with its clock"
    ),
    "tests/unit/": ("unit", "one part of the code"),
    "tests/component/": (
        "component",
        "the operator's process, or its client, with real servers: etcd, API server, Prometheus, "
        "MongoDB; there are no nodes, and the test plays the controllers",
    ),
    "tests/e2e/": ("cluster", "the release on a cluster with nodes"),
}  # fmt: skip
_ORDER: Final = [name for name, _ in LEVELS.values()]
#: Ends of a case, worst first.
_ENDS: Final = ("failed", "known to fail", "skipped", "passed")

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table.

    Attributes:
        group: Heading that it stands under.
        what: What happens.
        must: What must happen then.
        tests: Ids of pytest; one without parameters means all of a function's cases.
        gap: What no test shows, empty when all is.
    """

    group: str
    what: str
    must: str
    tests: tuple[str, ...]
    gap: str


def catalogue() -> list[Fault]:
    """Return the faults, in the order of the page."""
    document = tomllib.loads(CATALOGUE.read_text())
    return [
        Fault(
            group["title"], one["what"], one["must"], tuple(one.get("tests", ())),
            one.get("gap", ""),
        )
        for group in document["group"]
        for one in group["fault"]
    ]  # fmt: skip


def tests_of(faults: Iterable[Fault]) -> list[str]:
    """Return the tests of faults, each once, as pytest takes them: whole functions."""
    return list(dict.fromkeys(function_of(test) for one in faults for test in one.tests))


def function_of(test: str) -> str:
    """Return the id of a test's function.

    >>> function_of("tests/unit/test_a.py::test_b[c]")
    'tests/unit/test_a.py::test_b'
    """
    return test.partition("[")[0]


def level_of(test: str) -> str:
    """Return the level of a test."""
    return next(name for path, (name, _) in LEVELS.items() if test.startswith(path))


def results() -> Results:
    """Return the results of the last runs."""
    found: Results = json.loads(RESULTS.read_text())
    return found


def with_report(before: Results, report: ET.Element, known: Iterable[str]) -> Results:
    """Return results with those of a run, and without those that nobody names any more.

    Args:
        before: What was known.
        report: Root of a JUnit report; its name is the commit of the run.
        known: Functions that the table names.
    """
    functions = set(known)
    first = next(report.iter("testsuite"))
    run = {"commit": first.attrib["name"], "date": first.attrib["timestamp"][:10]}
    found: dict[str, Any] = {}
    for case in report.iter("testcase"):
        path = f"{case.attrib['classname'].replace('.', '/')}.py"
        test = case.attrib["name"]
        if f"{path}::{function_of(test)}" in functions:
            found.setdefault(path, {**run, "tests": {}})["tests"][test] = _end_of(case)
    kept = {path: one for path, one in before.items() if _is_named(path, functions)}
    return dict(sorted({**kept, **found}.items()))


def _is_named(path: str, functions: set[str]) -> bool:
    return any(one.startswith(f"{path}::") for one in functions)


def _end_of(case: ET.Element) -> str:
    kinds = {one.tag for one in case}
    if kinds & {"failure", "error"}:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "known to fail" if skipped.get("type") == "pytest.xfail" else "skipped"


def ends_of(test: str, found: Results) -> list[str]:
    """Return how the cases of a test ended; none when it did not run."""
    path, _, name = test.partition("::")
    cases: dict[str, str] = found.get(path, {}).get("tests", {})
    return [
        end
        for case, end in cases.items()
        if case == name or ("[" not in name and case.startswith(f"{name}["))
    ]


def page(faults: Iterable[Fault], found: Results) -> str:
    """Return the page."""
    return "\n".join(_lines(list(faults), found)) + "\n"


def _lines(faults: list[Fault], found: Results) -> Iterator[str]:
    yield "# Faults"
    yield ""
    yield "What can go wrong around the operator, what must happen then, which tests let it happen,"
    yield "and how they ended. Made from `tests/faults.toml` by `make faults`; do not edit. A test"
    yield "stands here only when it injects the fault itself and looks at what follows."
    yield ""
    yield "| level | real is | run |"
    yield "|---|---|---|"
    for name, real in LEVELS.values():
        runs = {
            (one["date"], one["commit"]) for path, one in found.items() if level_of(path) == name
        }
        told = "; ".join(f"{date}, commit `{commit}`" for date, commit in sorted(runs))
        yield f"| {name} | {real} | {told or 'not run'} |"
    yield ""
    yield _summary(faults, found)
    group = ""
    for one in faults:
        if one.group != group:
            group = one.group
            yield ""
            yield f"## {group}"
            yield ""
            yield "| fault | must happen | tests | result |"
            yield "|---|---|---|---|"
        must = f"{one.must}<br>*Not shown:* {one.gap}" if one.gap else one.must
        yield f"| {one.what} | {must} | {_tests(one)} | {_result(one, found)} |"


def _summary(faults: list[Fault], found: Results) -> str:
    without = sum(not one.tests for one in faults)
    gaps = sum(bool(one.gap) for one in faults)
    fails = {end for end in _ENDS if "fail" in end}
    failed = sum(any(fails & set(ends_of(test, found)) for test in one.tests) for one in faults)
    tests = len({test for one in faults for test in one.tests})
    return (
        f"{len(faults)} faults, {tests} tests. {without} have no test, {gaps} have something that "
        f"no test shows, and {failed} have a test that fails."
    )


def _by_level(tests: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for test in sorted(tests, key=lambda one: _ORDER.index(level_of(one))):
        found.setdefault(level_of(test), []).append(test)
    return found


def _tests(fault: Fault) -> str:
    lines = []
    for level, tests in _by_level(fault.tests).items():
        links = []
        for test in tests:
            path, _, name = test.partition("::")
            function, _, case = name.partition("[")
            told = function.removeprefix("test_").replace("_", " ")
            links.append(f"[{told}](../{path}){f' ({case[:-1]})' if case else ''}")
        lines.append(f"{level}: {'; '.join(links)}")
    return "<br>".join(lines) or "none"


def _result(fault: Fault, found: Results) -> str:
    lines = []
    for level, tests in _by_level(fault.tests).items():
        ends = [end for test in tests for end in ends_of(test, found)]
        told = [f"{ends.count(end)} {end}" for end in reversed(_ENDS) if end in ends]
        missing = sum(not ends_of(test, found) for test in tests)
        if missing:
            told.append("not run" if missing == len(tests) else f"{missing} not run")
        lines.append(f"{level}: {', '.join(told)}")
    return "<br>".join(lines) or "no test"


def main(arguments: list[str]) -> None:
    """Print the tests, or take reports up and write the page."""
    faults = catalogue()
    if arguments == ["--tests"]:
        needs_no_cluster = (one for one in tests_of(faults) if level_of(one) != "cluster")
        print("\n".join(needs_no_cluster))
        return
    found = results()
    for name in arguments:
        found = with_report(found, ET.parse(name).getroot(), tests_of(faults))
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(faults, found))


if __name__ == "__main__":
    main(sys.argv[1:])
