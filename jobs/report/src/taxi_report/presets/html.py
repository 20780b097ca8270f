"""Evidently's own HTML of a snapshot, apart from the program and the font that all share."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import evidently
from evidently.core.report import Snapshot
from evidently.legacy.utils import dashboard

from taxi_domain.errors import TaxiError

#: Snapshots by model version and name of the preset (`taxi_report.presets.run.TITLES`).
Snapshots = Mapping[str, Mapping[str, Snapshot]]

_FONT_START: Final = "url(data:font/ttf;base64,"


class EvidentlyHtmlError(TaxiError):
    """Evidently's HTML has another form than that of the pinned version."""


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What Evidently puts into every HTML document.

    Attributes:
        program: JavaScript that draws a snapshot (3.5 MB).
        font: Its icon font, base64 (126 KB).
    """

    program: str
    font: str


def shared_parts() -> SharedParts:
    """Read the program and the font of the installed Evidently."""
    folder = Path(dashboard.STATIC_PATH)
    font = base64.b64encode((folder / "material-ui-icons.woff2").read_bytes()).decode()
    return SharedParts((folder / "index.js").read_text(encoding="utf-8"), font)


def own_parts(snapshot: Snapshot, shared: SharedParts) -> tuple[str, str, str]:
    """Return a snapshot's HTML document without the shared parts.

    The document is the first part, the font, the second part, the program and the third part.

    Raises:
        EvidentlyHtmlError: the document does not have the shared parts.
    """
    whole = snapshot.get_html_str(as_iframe=False)
    first, font, rest = whole.partition(f"{_FONT_START}{shared.font}")
    second, program, third = rest.partition(f"<script>{shared.program}</script>")
    if not font or not program:
        raise EvidentlyHtmlError(
            f"evidently {evidently.__version__}: its HTML has another form; install the pinned "
            "version"
        )
    return f"{first}{_FONT_START}", f"{second}<script>", f"</script>{third}"
