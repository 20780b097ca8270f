"""The report's page in a real Chromium, and its snapshots in Evidently's own UI."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from support.chromium import Browser, Page, running_chromium
from support.report_rides import MODEL, VERSION, collapse, collapse_document, span_of

from taxi_local.ports import free_port
from taxi_report.presets.run import TITLES, PresetRuns, run_presets
from taxi_report.presets.storage import packed, unpacked
from taxi_report.presets.workspace import StoredSnapshot, write_workspace
from taxi_report.render.environment import CONTENT_SECURITY_POLICY
from taxi_report.render.interactive import interactive_of
from taxi_report.render.page import MAX_BYTES, page_of

pytestmark = pytest.mark.component

ROOT = Path(__file__).resolve().parents[2]
BUTTON = "document.querySelectorAll('button[data-parts]')"


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where pictures go: the folder of TAXI_ARTIFACTS when it is set."""
    folder = os.environ.get("TAXI_ARTIFACTS")
    path = Path(folder) / "report" if folder else tmp_path_factory.mktemp("report")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def runs() -> PresetRuns:
    found = collapse()
    return run_presets(
        found.facts.layout, found.facts.current.sample.rows, found.facts.expected.sample.rows,
        timestamp=span_of(found.current).end, metadata={"model": MODEL},
    )  # fmt: skip


@pytest.fixture(scope="module")
def page_file(runs: PresetRuns, artifacts: Path) -> Path:
    path = artifacts / "report.html"
    path.write_bytes(page_of(collapse_document(), {VERSION: runs.snapshots}))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Page:
    return browser.new_page()


def test_page_is_below_five_megabytes_with_all_three_presets(page_file: Path) -> None:
    text = page_file.read_text()
    assert page_file.stat().st_size <= MAX_BYTES
    assert text.count('class="opener"') == 3
    assert "Left out" not in text


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_page_reads_in_light_and_in_dark(
    page: Page, page_file: Path, artifacts: Path, colours: str
) -> None:
    page.emulate(colours=colours)
    page.open(page_file.as_uri())
    page.screenshot(artifacts / f"report-{colours}.png")

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.body).color")
    light, dark = (ground, ink) if colours == "light" else (ink, ground)
    assert min(_channels(light)) > 200
    assert max(_channels(dark)) < 60
    assert page.requests() == [page_file.as_uri()]
    assert page.complaints() == []


def _channels(colour: str) -> list[int]:
    return [int(one) for one in re.findall(r"\d+", colour)[:3]]


def test_without_script_nothing_but_the_sample_is_missing(
    page: Page, page_file: Path, artifacts: Path
) -> None:
    page.emulate()
    page.open(page_file.as_uri())
    headings = "[...document.querySelectorAll('h1,h2,h3,h4,figure,svg,table')].length"
    with_script, texts = page.evaluate(headings), page.text()
    page.emulate(script=False)
    page.open(page_file.as_uri())
    page.screenshot(artifacts / "report-no-script.png")

    found = page.text()
    assert "Only this part needs JavaScript" in found
    assert "Only this part needs JavaScript" not in texts
    assert [one for one in TITLES.values() if f"\n{one}\n" in texts] == list(TITLES.values())
    assert [one for one in TITLES.values() if f"\n{one}\n" in found] == []
    assert page.evaluate(headings) == with_script > 60
    # Charts are drawn, not only present.
    assert page.evaluate(
        "[...document.querySelectorAll('svg')].every(one => one.clientHeight > 50)"
    )
    assert page.requests() == [page_file.as_uri()]


def test_evidently_opens_in_sandboxed_frames_without_a_request(
    browser: Browser, page_file: Path, artifacts: Path
) -> None:
    with serving(page_file.read_bytes()) as (url, asked):
        page = browser.new_page()
        page.emulate()
        page.open(url, height=2400)
        for place in range(3):
            page.evaluate(f"{BUTTON}[{place}].click()")
            page.evaluate(f"{BUTTON}[{place}].scrollIntoView()")
            # The frame tells its height once it has drawn itself.
            page.wait_until(
                f"parseInt(document.querySelectorAll('iframe')[{place}]?.style.height) > 500"
            )
        texts = " ".join(frame.text() for frame in page.frames())
        page.evaluate("document.getElementById('explore').scrollIntoView()")
        time.sleep(1)
        page.screenshot(artifacts / "report-explore.png", most=16_000)

        assert "Dataset Drift" in texts
        assert "Regression Model Performance" in texts
        assert "Dataset Summary" in texts
        assert page.evaluate(
            "[...document.querySelectorAll('iframe')].every("
            "one => one.getAttribute('sandbox') === 'allow-scripts' && !one.contentDocument)"
        )
        assert page.requests() == [url]
        assert page.complaints() == []
        assert asked == ["/report"]


def test_the_guide_shows_pictures_of_the_page(page: Page, page_file: Path, artifacts: Path) -> None:
    pictures = artifacts / "pictures"
    pictures.mkdir(exist_ok=True)
    page.emulate()
    page.open(page_file.as_uri(), width=1100)
    version = page.evaluate("document.querySelector('article.version').id")
    places = {"changed": "changed", "served": "served"} | {
        part: f"{version}-{part}"
        for part in ("columns", "column-1", "performance", "time", "worst", "pushers")
    }
    for part, element in places.items():
        page.screenshot(pictures / f"report-{part}.png", element=element)

    shown = re.findall(r"\(pictures/(.+?)\)", (ROOT / "docs" / "reports.md").read_text())
    assert sorted(shown) == sorted(one.name for one in pictures.iterdir())


def test_page_fits_a_narrow_screen(page: Page, page_file: Path, artifacts: Path) -> None:
    page.emulate()
    page.open(page_file.as_uri(), width=400)
    page.screenshot(artifacts / "report-narrow.png")

    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_page_prints_on_a_few_sheets_in_light_colours(
    page: Page, page_file: Path, artifacts: Path
) -> None:
    page.emulate(colours="dark")
    page.open(page_file.as_uri())
    page.pdf(artifacts / "report.pdf")
    page.emulate(media="print", colours="dark")
    page.open(page_file.as_uri(), width=720)
    page.screenshot(artifacts / "report-print.png")

    sheets = len(re.findall(rb"/Type\s*/Page\b", (artifacts / "report.pdf").read_bytes()))
    assert 4 <= sheets <= 12
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    # What paper would cut off: tables that are wider than their place.
    assert (
        page.evaluate(
            "[...document.querySelectorAll('.scroll')].filter("
            "one => one.offsetParent && one.scrollWidth > one.clientWidth + 1)"
            ".map(one => one.getAttribute('aria-label'))"
        )
        == []
    )


def test_readers_of_the_screen_are_told_what_each_part_is(page: Page, page_file: Path) -> None:
    page.emulate()
    page.open(page_file.as_uri())
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]
    named: dict[str, list[str]] = {}
    for node in nodes:
        role = str(node.get("role", {}).get("value"))
        named.setdefault(role, []).append(str(node.get("name", {}).get("value", "")))

    assert len(named["image"]) >= 10
    for role in ("image", "table", "button", "link", "heading"):
        assert all(named[role]), (role, named[role])
    assert len(named["main"]) == 1


def test_presets_beyond_the_room_are_left_out_by_name(runs: PresetRuns) -> None:
    whole = interactive_of({VERSION: runs.snapshots}, MAX_BYTES)
    # Evidently names its widgets at random, so that one snapshot packs to sizes a few bytes apart.
    first = len(whole.shared) + len(whole.parts[0].data) + 1000

    part = interactive_of({VERSION: runs.snapshots}, first)
    none = interactive_of({VERSION: runs.snapshots}, 1000)

    assert [one.title for one in part.parts] == ["Data drift"]
    assert part.left_out == (
        f"Regression performance of version {VERSION}", f"Data summary of version {VERSION}",
    )  # fmt: skip
    assert (none.shared, none.parts, len(none.left_out)) == ("", (), 3)


@contextmanager
def serving(data: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serve a page with the policy as a header; yields its address and what was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header(
                "Content-Security-Policy", f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'"
            )
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/report", asked
    finally:
        server.shutdown()
        server.server_close()


def stored(runs: PresetRuns, report: str) -> list[StoredSnapshot]:
    return [
        StoredSnapshot(MODEL, report, VERSION, preset, packed(snapshot))
        for preset, snapshot in runs.snapshots.items()
    ]


def test_writing_a_workspace_again_adds_only_what_is_new(runs: PresetRuns, tmp_path: Path) -> None:
    first = write_workspace(tmp_path, stored(runs, "report-1"))
    again = write_workspace(tmp_path, [*stored(runs, "report-1"), *stored(runs, "report-2")])
    broken = replace(stored(runs, "report-3")[0], data=b"no snapshot")
    third = write_workspace(tmp_path, [broken])

    assert (first.added, first.present, first.problems) == (3, 0, ())
    assert (again.added, again.present, again.problems) == (3, 3, ())
    assert (third.added, third.present, len(third.problems)) == (0, 0, 1)
    assert "report-3" in third.problems[0]


@pytest.mark.timeout(600)
def test_evidently_ui_opens_the_workspace(runs: PresetRuns, tmp_path: Path) -> None:
    write_workspace(tmp_path / "workspace", stored(runs, "report-1"))
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [Path(sys.executable).with_name("evidently"), "ui",
             "--workspace", str(tmp_path / "workspace"),
             "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "DO_NOT_TRACK": "1"}, stdout=log, stderr=log, cwd=tmp_path,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(server, f"{url}/api/version", tmp_path / "log")
        (project,) = _json(f"{url}/api/projects")
        found = _json(f"{url}/api/projects/{project['id']}/reports")
        widgets = [
            str(_json(f"{url}/api/projects/{project['id']}/{one['id']}/data")) for one in found
        ]

        assert project["name"] == MODEL
        assert len(found) == 3
        assert {one["timestamp"][:16] for one in found} == {"2020-04-01T04:00"}
        assert {one["metadata"]["model_version"] for one in found} == {VERSION}
        assert any("Dataset Drift" in one for one in widgets)
        assert any("Regression Model Performance" in one for one in widgets)
        assert "<html" in requests.get(url, timeout=30).text
    finally:
        server.terminate()
        server.wait(timeout=120)
    assert unpacked(stored(runs, "r")[0].data).dict()["metrics"]


def _json(url: str) -> Any:
    answer = requests.get(url, timeout=60)
    answer.raise_for_status()
    return answer.json()


def _wait_until_it_answers(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    # Evidently's import alone takes a minute on a busy machine.
    deadline = time.monotonic() + 240
    while True:
        try:
            requests.get(url, timeout=5).raise_for_status()
        except requests.RequestException:
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.5)
        else:
            return
