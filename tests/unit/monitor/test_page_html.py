"""The page in every state: without script, without foreign addresses, and with all escaped."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support.page_states import (
    HOSTILE,
    STATES,
    StoredHistory,
    any_version,
    hostile_schema,
    many_categories,
    pages,
    wide_schema,
)

from taxi_monitor.http.page_templates import style_sheet
from taxi_monitor.http.pages import Asked, Pages
from taxi_runtime.problems import ProblemError

#: A page of many columns or categories is still read by people on a slow line.
MAX_BYTES = 700_000


class Elements(HTMLParser):
    """Collects elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.found if name in attributes]


def all_pages(state: str) -> dict[str, str]:
    """Return every page of a state by its path."""
    found: Pages = STATES[state]()
    made = {"/": found.overview(Asked())}
    for watched in found.state.watched():
        made[f"/versions/{watched.role}"] = found.version(watched.role, Asked())
        for name in watched.reference.columns[:8]:
            path = f"/versions/{watched.role}/columns/{name}"
            made[path] = found.column(watched.role, name, Asked())
    return made


@pytest.mark.parametrize("state", STATES)
def test_pages_need_no_script_and_nothing_from_elsewhere(state: str) -> None:
    for path, page in all_pages(state).items():
        elements = Elements(page)

        tags = {tag for tag, _ in elements.found}
        assert not tags & {"script", "style", "img", "iframe", "object", "form", "foreignobject"}
        for _, attributes in elements.found:
            assert not [one for one in attributes if one.startswith("on") or one == "style"], path
        for link in elements.values("href"):
            assert not re.match(r"[a-z]+:|//", link), (path, link)
        ids = elements.values("id")
        assert len(ids) == len(set(ids)), path
        assert {link[1:] for link in elements.values("href") if link.startswith("#")} <= {*ids}
        assert "nan" not in re.sub("<[^>]*>", "", page).split(), path
        assert len(page.encode()) < MAX_BYTES


def test_links_lead_to_the_root_from_every_depth() -> None:
    for path, page in all_pages("quiet").items():
        depth = path.count("/") - 1
        links = Elements(page).values("href")
        assert f"{'../' * depth}reports" in links
        assert any(link.startswith(f"{'../' * depth}page.css?v=") for link in links)


def test_names_from_outside_are_texts_and_never_markup() -> None:
    made = all_pages("hostile")

    assert len(made) == 10
    for page in made.values():
        assert "<script" not in page
        assert "<img" not in page
        assert "<b>" not in page
        assert "7*7" in page or "49" not in page
    text = Elements(made["/versions/champion"]).text
    for name in HOSTILE:
        assert name in text
    links = Elements(made["/versions/champion"]).values("href")
    assert "../versions/champion/columns/a%2Fb%3Fc%3Dd%26e%23f" in links


def test_ten_thousand_categories_are_a_page_that_can_be_read() -> None:
    page = pages(StoredHistory(), many_categories()).column("champion", "shop", Asked())

    assert len(page.encode()) < 100_000
    first = re.findall('<th scope="row">([^<]*)</th>', page)[0]
    assert first == "7", "the one that is more frequent comes first"
    assert "9900 that moved less are left out" in page


def test_categories_that_training_never_had_are_named() -> None:
    schema = hostile_schema()
    version = any_version(schema)
    never = float(len(version.reference.categories["texts"]))
    version = any_version(schema, texts=np.full(400, never))
    history = StoredHistory(sent=["<new>", "<new>", "other", None, 7, HOSTILE[0]])

    page = pages(history, version).column("champion", "texts", Asked())
    assert "<strong>&lt;new&gt;</strong> (2), <strong>other</strong> (1)." in page
    assert "never seen in training" in page


def test_every_column_of_a_wide_model_is_there() -> None:
    schema = wide_schema()

    links = Elements(
        pages(StoredHistory(), any_version(schema)).version("champion", Asked())
    ).values("href")
    for column in schema.columns:
        assert f"../versions/champion/columns/{column.name}" in links


@pytest.mark.parametrize(("state", "words"), [
    ("no-model", ["There is no model yet", "no champion yet"]),
    ("few-rows", ["Not judged yet", "too short for blocks of 500 rows", "40 rows", "too few rows"]),
    ("quiet", ["No alarm", "once in 100k rows", "Snow storm"]),
    ("suspected", ["Suspected", "benign drift"]),
    ("inputs", ["Alarm", "harmful drift of the inputs", "distribution of PULocationID"]),
    ("concept", ["Alarm", "concept drift"]),
    ("data-fault", ["Alarm", "data fault", "missing values of trip_distance"]),
    ("labels-missing", ["Alarm", "blind", "no block of labels yet"]),
    ("many-versions", ["champion moved to", "5a398ffc8fcf"]),
    ("mongodb-away", ["the history cannot be read"]),
])  # fmt: skip
def test_each_state_says_what_it_is(state: str, words: list[str]) -> None:
    made = all_pages(state)
    text = " ".join(Elements("".join(list(made.values())[:2])).text.split())

    for word in words:
        assert word in text


def test_every_state_that_is_drawn_has_its_words_beside_it() -> None:
    page = all_pages("inputs")["/versions/champion"]

    for tag, attributes in Elements(page).found:
        if tag == "svg" and attributes.get("role") == "img":
            assert attributes.get("aria-label")
    assert "304 blocks" in page, "the charts' points are a table, too"
    assert page.count('<tr class="bad"><td>') > 20


def test_an_unknown_role_or_column_is_named() -> None:
    found = pages(StoredHistory(), any_version(hostile_schema()))

    with pytest.raises(ProblemError, match="shadow: no version is watched for it"):
        found.version("shadow", Asked())
    with pytest.raises(ProblemError, match="column: champion has none of this name"):
        found.column("champion", "unknown", Asked())


def test_the_style_sheet_loads_nothing() -> None:
    assert b"url(" not in style_sheet()
    assert b"@import" not in style_sheet()
