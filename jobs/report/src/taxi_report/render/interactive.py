"""Evidently's own pages inside the report: packed once, opened in a frame by the page's script.

All share one program; each frame is a document of its own (`srcdoc`) in a sandbox without the
page's origin, so it reaches neither the page nor the network.
"""

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader

from taxi_report.presets.html import Snapshots, own_parts, shared_parts
from taxi_report.presets.run import TITLES

_HEAD: Final = "<head>"


@dataclass(frozen=True, slots=True)
class Part:
    """One snapshot in the page.

    Attributes:
        version: Model version.
        title: What people call the preset.
        data: Its own parts: base64 of gzip of a JSON list of three texts.
    """

    version: str
    title: str
    data: str


@dataclass(frozen=True, slots=True)
class Interactive:
    """What the page embeds.

    Attributes:
        shared: Font and program: base64 of gzip of a JSON list; empty without parts.
        parts: The snapshots.
        left_out: Names of those that would have made the page too large.
    """

    shared: str
    parts: tuple[Part, ...]
    left_out: tuple[str, ...]

    @classmethod
    def empty(cls) -> "Interactive":
        """Return what a page without snapshots embeds."""
        return cls("", (), ())


def interactive_of(snapshots: Snapshots, room: int) -> Interactive:
    """Pack snapshots, in the order of versions and of `TITLES`, as long as there is room.

    Args:
        snapshots: By model version and name of the preset.
        room: Bytes.

    Raises:
        EvidentlyHtmlError: Evidently's HTML has another form than that of the pinned version.
    """
    wanted = [
        (version, title, found[preset])
        for version, found in snapshots.items()
        for preset, title in TITLES.items()
        if preset in found
    ]
    if not wanted:
        return Interactive.empty()
    shared = shared_parts()
    packed = _packed([shared.font, shared.program])
    room -= len(packed)
    frame = f"{_HEAD}<script>{_frame_script()}</script>"
    parts, left_out = [], []
    for version, title, snapshot in wanted:
        first, second, third = own_parts(snapshot, shared)
        data = _packed([first.replace(_HEAD, frame, 1), second, third])
        if len(data) > room:
            left_out.append(f"{title} of version {version}")
            continue
        room -= len(data)
        parts.append(Part(version, title, data))
    return Interactive(packed if parts else "", tuple(parts), tuple(left_out))


def _frame_script() -> str:
    loader = PackageLoader("taxi_report.render")
    return loader.get_source(Environment(autoescape=True), "frame.js")[0]


def _packed(texts: list[str]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(texts).encode(), mtime=0)).decode()
