"""The page as text: complete, well-formed, escaped, of bounded size, and asking for nothing."""

import copy
import doctest
import importlib
import re
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.report_rides import VERSION, collapse_document

from taxi_report.document import Document
from taxi_report.render import numbers
from taxi_report.render.environment import CONTENT_SECURITY_POLICY
from taxi_report.render.page import DETAILS, MAX_BYTES, page_of

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Tree(HTMLParser):
    """Reads a page: what is opened is closed; collects ids, addresses and texts by element."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[int] = []
        self.counts: dict[str, int] = {}
        self.texts: list[str] = []
        self.titles: list[str] = []
        self.feed(page.decode())
        self.close()
        self.faults += [f"{one} is not closed" for one in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
            if tag < "h4":
                self.titles.append("")
        for name, value in attrs:
            self._attribute(tag, name, value or "")

    def _attribute(self, tag: str, name: str, text: str) -> None:
        if name == "id":
            self.ids.append(text)
        if name == "href" and text.startswith("#"):
            self.anchors.append(text[1:])
        elif name in {"href", "src", "srcset", "action", "poster", "data", "xlink:href"}:
            self.addresses.append(text)
        if name.startswith("on"):
            self.faults.append(f"{tag} has {name}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"{tag} closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)
        if {"h1", "h2", "h3"} & set(self.open):
            self.titles[-1] = " ".join(f"{self.titles[-1]} {data}".split())

    @property
    def text(self) -> str:
        """Return the words of the page."""
        return " ".join(" ".join(self.texts).split())


def document() -> Document:
    """Return a report that the test may change."""
    return copy.deepcopy(collapse_document())


@pytest.fixture(scope="module")
def page() -> Tree:
    return Tree(page_of(document(), {}))


def test_page_is_well_formed_and_its_links_lead_somewhere(page: Tree) -> None:
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.anchors) <= set(page.ids)
    assert len(page.anchors) > 10


def test_page_names_no_address_outside_of_itself(page: Tree) -> None:
    assert page.addresses == []
    text = page_of(document(), {}).decode()
    assert not re.findall(r"url\(|@import|//[a-z0-9-]+\.[a-z]{2,}", text)
    assert f'content="{CONTENT_SECURITY_POLICY}"' in text.replace("&#39;", "'")


def test_headings_skip_no_level_and_tables_and_charts_have_names(page: Tree) -> None:
    steps = zip([0, *page.headings], page.headings, strict=False)
    assert all(new - old <= 1 for old, new in steps)
    assert page.headings.count(1) == 1
    assert page.counts["table"] == page.counts["caption"] > 10
    # One of each drawing; further titles belong to parts of drawings, and one to the page.
    assert page.counts["svg"] == page.counts["desc"] > 10
    assert sum(one.endswith("-title") for one in page.ids) == page.counts["svg"]


def test_parts_come_in_the_order_in_which_people_read(page: Tree) -> None:
    assert [re.sub(" (all rows|sample of .*)$", "", one) for one in page.titles] == [
        "taxi-duration", "What changed", "What is missing", "What was served",
        f"Version {VERSION} ▲ drift", "Drift by column", "Distributions",
        "Data quality", "Labels", "Performance", "Error over time", "Error and drift by slice",
        "Worst slices", "Rows that push the scores most", "Explore a sample",
    ]  # fmt: skip


def test_every_figure_is_in_the_page_without_script(page: Tree) -> None:
    version = collapse_document()["versions"][0]
    for column in version["columns"]:
        scores = [column[one] for one in ("score", "stratified_score", "threshold", "score_before")]
        quantiles = [column[one]["quantiles"] for one in ("current", "reference", "before")]
        for value in sum(quantiles, scores):
            assert numbers.number(value) in page.text
    for side in (
        version["performance"], version["performance_before"], version["reference"]["performance"],
    ):  # fmt: skip
        for name in ("mae", "rmse", "r2"):
            assert numbers.number(side[name]) in page.text
        assert all(numbers.signed(one) in page.text for one in side["error_quantiles"])
    names = [one["value"] for one in [*version["slices"], *version["worst_slices"]]]
    names += [one["id"] for one in version["pushers"]["rows"]]
    names += [*collapse_document()["words"], *collapse_document()["problems"]]
    assert [one for one in names if one not in page.text] == []


def test_figures_of_all_rows_and_of_samples_are_marked(page: Tree) -> None:
    assert page.text.count("all rows") >= 9
    candidates = collapse_document()["versions"][0]["pushers"]["candidates"]
    assert f"sample of {candidates:,} rows" in page.text


def test_span_is_shown_in_local_time_with_its_zone(page: Tree) -> None:
    assert "22 Mar 2020 00:00 to 1 Apr 2020 00:00 America/New_York (UTC-04:00)" in page.text


def test_a_change_of_clocks_within_the_span_is_said() -> None:
    changed = document()
    changed["span"] |= {"from": "2020-10-31T04:00:00+00:00", "to": "2020-11-02T05:00:00+00:00"}

    assert "(UTC-04:00, at the end UTC-05:00)" in Tree(page_of(changed, {})).text


HOSTILE = "</script></title><img src=//evil.example onerror=alert(1)>'\"&"


def test_whatever_rows_and_versions_are_called_it_stays_text() -> None:
    hostile = document()
    version = hostile["versions"][0]
    hostile["words"].append(HOSTILE)
    hostile["problems"].append(HOSTILE)
    hostile["served"]["unprofiled"][HOSTILE] = {"rows": 1, "reason": HOSTILE}
    hostile["served"]["unreadable"][HOSTILE] = 1
    version["model_version"] = HOSTILE
    version["roles"] = {HOSTILE: 5}
    version["columns"][0]["name"] = HOSTILE
    version["columns"][0]["problem"] = HOSTILE
    version["columns"][1]["quality"]["unseen"] = [[HOSTILE, 3]]
    version["columns"][1]["current"]["labels"][0] = HOSTILE
    version["slices"][0] |= {"name": HOSTILE, "value": HOSTILE}
    version["worst_slices"][0]["value"] = HOSTILE
    version["pushers"]["rows"][0] |= {"id": HOSTILE, "column": HOSTILE}
    for row in version["pushers"]["rows"]:
        row["values"] = {HOSTILE: 1.0, **row["values"]}

    tree = Tree(page_of(hostile, {}))

    assert tree.faults == []
    assert tree.addresses == []
    assert "img" not in tree.counts
    assert "script" not in tree.counts
    assert tree.text.count("onerror=alert(1)") > 12


def _nothing_served(report: Document) -> None:
    report |= {"versions": [], "verdict": "no rows", "words": ["No row was answered."]}
    report["served"] |= {"rows": 0, "rows_before": 0, "refused": None, "unlogged": None}


def _no_labels(report: Document) -> None:
    version = report["versions"][0]
    version |= {"performance": None, "performance_before": None, "limit": None, "worst_slices": []}
    version["labels"] |= {"rows": 0, "coverage_ratio": 0, "outside_ratio": None, "lag_seconds": []}
    none = {"labelled": 0, "mae": None, "rmse": None, "bias": None}
    version["slices"] = [{**one, **none} for one in version["slices"]]
    version["timeline"]["buckets"] = [{**one, **none} for one in version["timeline"]["buckets"]]


def _nothing_before(report: Document) -> None:
    version = report["versions"][0]
    version["performance_before"] = None
    for column in version["columns"]:
        column |= {"before": None, "score_before": None}


def _reference_without_labels(report: Document) -> None:
    version = report["versions"][0]
    version["reference"] |= {"rmse": None, "performance": None}
    version["limit"] = {"expected_rmse": 0.0, "rmse": None}
    version["slices"] = [{**one, "reference_mae": None} for one in version["slices"]]


def _empty_columns(report: Document) -> None:
    empty: dict[str, Any] = {"mean": None, "std": None, "quantiles": []}
    for column in report["versions"][0]["columns"]:
        column |= {"score": None, "stratified_score": None, "threshold": None, "score_ratio": None,
                   "drifted": False, "problem": "no row of the span has a value"}  # fmt: skip
        zeros = [0.0] * len(column["current"]["shares"])
        column["current"] |= {**empty, "shares": zeros}


def _nothing_pushes(report: Document) -> None:
    report["versions"][0]["pushers"] = {"candidates": 0, "rows": []}
    report["versions"][0] |= {"latency_seconds": [], "slices": [], "first": None, "last": None}
    report["versions"][0]["timeline"]["buckets"] = []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_nothing_served, "No row was answered."),
        (_no_labels, "the error is not known"),
        (_nothing_before, "3 of 5"),
        (_reference_without_labels, "it cannot tell how large is too large"),
        (_empty_columns, "no row of the span has a value"),
        (_nothing_pushes, "no row pushes"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_absent_is_said_and_the_page_is_still_made(change: Any, words: str) -> None:
    report = document()
    change(report)

    tree = Tree(page_of(report, {}))

    assert tree.faults == []
    assert words in tree.text
    assert not re.search(r"\b(None|nan|inf|Undefined)\b", tree.text)


def test_forty_versions_of_hundred_columns_stay_below_the_limit() -> None:
    report = document()
    version = report["versions"][0]
    version["columns"] = [
        {**version["columns"][place % 5], "name": f"column {place}"} for place in range(100)
    ]
    report["versions"] = [{**version, "model_version": f"v{place}"} for place in range(40)]

    data = page_of(report, {})

    tree = Tree(data)
    assert len(data) <= MAX_BYTES
    assert tree.faults == []
    versions, charts = next(
        one for one in DETAILS if f"{40 - one[0]} versions with fewer rows" in tree.text
    )
    assert tree.counts["article"] == versions > 1
    assert f"{100 - charts} more columns are in the table above" in tree.text
    assert "v39" in tree.text


@pytest.mark.parametrize("name", ["numbers", "charts.svg"])
def test_examples_of_the_documentation_hold(name: str) -> None:
    module = importlib.import_module(f"taxi_report.render.{name}")
    found = doctest.testmod(module, extraglobs={"ZoneInfo": ZoneInfo})
    assert found.attempted > 0
    assert found.failed == 0
