"""The monitor's page in a real Chromium: by its own policy, without script, dark, on a phone."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.chromium import Browser, Page, running_chromium
from support.page_server import serving_page
from support.page_states import STATES

pytestmark = pytest.mark.component

ROOT = Path(__file__).parents[2]
AXE = ROOT / "tests/support/axe/axe.min.js"
RUN_AXE = """axe.run({preload: false, resultTypes: ['violations']}).then(found =>
    found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | ')))"""
PHONE = 390
#: State, path, colours and width of what is looked at; each state once at least.
LOOKS = [
    ("no-model", "", "dark", 1240), ("few-rows", "", "light", PHONE),
    ("quiet", "", "light", 1240), ("suspected", "versions/champion", "dark", PHONE),
    ("inputs", "versions/champion", "light", 1240), ("inputs", "", "light", PHONE),
    ("inputs", "versions/champion/columns/PULocationID", "dark", 1240),
    ("concept", "", "dark", 1240), ("data-fault", "versions/champion", "light", PHONE),
    ("labels-missing", "versions/champion", "dark", 1240), ("many-versions", "", "light", 1240),
    ("hostile", "versions/champion", "light", 1240), ("wide", "versions/champion", "dark", PHONE),
    ("mongodb-away", "", "light", 1240),
]  # fmt: skip


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where pictures go: the folder of TAXI_ARTIFACTS when it is set."""
    folder = os.environ.get("TAXI_ARTIFACTS")
    path = Path(folder) / "page" if folder else tmp_path_factory.mktemp("page")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    found = browser.new_page()
    yield found
    found.command("Page.close")


def test_every_state_is_looked_at() -> None:
    assert {state for state, *_ in LOOKS} == STATES.keys()


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(map(str, look)))
def test_a_page_is_accessible_fits_and_asks_for_nothing_else(
    page: Page, artifacts: Path, look: tuple[str, str, str, int]
) -> None:
    state, path, colours, width = look
    with serving_page(STATES[state]()) as url:
        page.emulate(colours=colours)
        page.open(url + path, width=width)
        name = f"{state}-{path.replace('/', '-') or 'overview'}-{colours}-{width}.png"
        page.screenshot(artifacts / name)

        sheet = page.evaluate("document.querySelector('link').href")
        assert page.requests() == [url + path, sheet]
        assert page.complaints() == []
        # What is wider than the screen can be moved inside of its own frame.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(
            "[...document.querySelectorAll('svg[role=img]')].every(one =>"
            " one.closest('details') || one.clientWidth > 20)"
        )
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        channels = [int(one) for one in re.findall(r"\d+", ground)[:3]]
        assert min(channels) > 200 if colours == "light" else max(channels) < 60
        page.evaluate(f"{AXE.read_text()};0")
        assert page.evaluate(RUN_AXE) == []


def test_nothing_is_missing_without_script(page: Page) -> None:
    with serving_page(STATES["inputs"]()) as url:
        page.emulate()
        page.open(f"{url}versions/champion")
        shown = page.text()
        page.emulate(script=False)
        page.open(f"{url}versions/champion")

        assert page.text() == shown
        assert "harmful drift of the inputs" in shown


def test_the_keyboard_is_enough(page: Page) -> None:
    with serving_page(STATES["inputs"]()) as url:
        page.emulate()
        page.open(f"{url}versions/champion")
        press(page, "Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        press(page, "Enter")
        page.wait_until("location.hash == '#main'")

        # The table of the charts opens by the space bar, and links have an outline.
        page.evaluate("document.querySelector('#time summary').focus()")
        press(page, " ")
        page.wait_until("document.querySelector('#time details').open")
        press(page, "Tab")
        assert page.evaluate("document.activeElement.getAttribute('role')") == "region"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_links_lead_from_the_first_page_to_a_column_and_back(page: Page) -> None:
    with serving_page(STATES["hostile"]()) as url:
        page.emulate()
        page.open(url)
        for selector, title in (
            (".more a", "Verdict of"), ("#columns a[href*='a%2Fb']", "a/b?c=d&e#f"),
            (".crumbs a[href*=champion]", "champion"), (".brand a", ""),
        ):  # fmt: skip
            target = page.evaluate(f'document.querySelector("{selector}").href')
            page.open(target)
            if title and title != "Verdict of":
                assert title in page.evaluate("document.querySelector('h1').innerText")
        assert page.evaluate("location.href") == url


def press(page: Page, key: str) -> None:
    """Press a key and let it go."""
    codes = {"Tab": 9, "Enter": 13, " ": 32}
    text = {"Enter": "\r", " ": " "}.get(key, "")
    for kind in ("keyDown", "keyUp"):
        page.command(
            "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key],
            **({"text": text} if text and kind == "keyDown" else {}),
        )  # fmt: skip


def test_the_guide_shows_pictures_of_the_page(page: Page, artifacts: Path) -> None:
    pictures = artifacts / "pictures"
    pictures.mkdir(exist_ok=True)
    with serving_page(STATES["inputs"]()) as url:
        page.emulate()
        page.open(f"{url}versions/champion", width=1000)
        page.screenshot(pictures / "page-verdict.png", most=1010)
        for part in ("time", "happened", "columns", "slices"):
            page.screenshot(pictures / f"page-{part}.png", element=part)
        page.emulate(colours="dark")
        page.open(f"{url}versions/champion/columns/PULocationID", width=1000)
        page.screenshot(pictures / "page-column-dark.png", most=1180)

    shown = re.findall(r"\(pictures/(page-.+?)\)", (ROOT / "docs" / "page.md").read_text())
    assert sorted(shown) == sorted(one.name for one in pictures.iterdir())
