"""Every link between the project's documents leads to a file, and to a heading of it."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
#: Pages in one file, which are read apart and where their links lead is not.
SERVED = ROOT / "services/monitor/src/taxi_monitor/static/runbooks.md"
#: What code, values, messages and texts say of a document.
NAMED = re.compile(r"(?<![\w./-])(docs/(?!adr/NNNN)[\w/-]+\.md)(?:#([\w-]+))?")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).is_file()]


PAGES = [path for path in tracked("*.md") if path != SERVED]


@cache
def tokens_of(page: Path) -> tuple[Token, ...]:
    """Return all tokens of a page, those within lines too."""
    found = MarkdownIt().enable("table").parse(page.read_text())
    return tuple(token for block in found for token in (block, *(block.children or ())))


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """Return what can be linked to on a page, as GitHub names it."""
    found: set[str] = set()
    times: Counter[str] = Counter()
    blocks = MarkdownIt().enable("table").parse(page.read_text())
    for opened, inline in pairwise(blocks):
        if opened.type == "heading_open":
            text = "".join(one.content for one in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            found.add(f"{slug}-{times[slug]}" if times[slug] else slug)
            times[slug] += 1
    for token in tokens_of(page):
        if token.type in {"html_inline", "html_block"}:
            found.update(re.findall(r'\b(?:id|name)="([^"]+)"', token.content))
    return frozenset(found)


def links_of(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links and pictures."""
    for token in tokens_of(page):
        target = token.attrGet("href") or token.attrGet("src")
        if target:
            yield str(target)
        if token.type in {"html_inline", "html_block"}:
            yield from re.findall(r'\b(?:href|src)="([^"]+)"', token.content)


def problem_of(page: Path, link: str) -> str:
    """Return why a link leads nowhere, empty when it does not, or leaves the project."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return f"{link}: there is no such file"
    if parts.fragment and target.suffix == ".md" and parts.fragment not in anchors_of(target):
        return f"{link}: {target.name} has no such heading"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not [said for link in links_of(page) if (said := problem_of(page, link))]


def test_documents_that_are_named_are_there() -> None:
    wrong = []
    for path in tracked("*.md", "*.py", "*.yaml", "*.tpl", "*.txt", "*.toml", "*.sh", "*.json"):
        if path.is_relative_to(ROOT / "tests"):
            continue  # some name those of other projects
        for match in NAMED.finditer(path.read_text(errors="replace")):
            target, anchor = ROOT / match[1], match[2]
            if not target.exists() or (anchor and anchor not in anchors_of(target)):
                wrong.append(f"{path.relative_to(ROOT)}: {match[0]}")
    assert not wrong


def test_what_leads_nowhere_is_found() -> None:
    page = ROOT / "docs" / "security.md"
    wrong = ["nothing.md", "data.md#nothing", "#nothing", "../../elsewhere"]
    right = ["data.md#audit", "#rbac-and-admission", "https://example.com/x.md"]

    assert [link for link in wrong + right if problem_of(page, link)] == wrong
