"""Print the runbooks of all alerts as one file: python tools/dev/runbooks_file.py > FILE.

FILE is services/monitor/src/taxi_monitor/static/runbooks.md, which the monitor serves page by page.
"""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "services/monitor/src/taxi_monitor/static/runbooks.md"


def text() -> str:
    """Return the pages one after the other, by name; each begins with `# ` and its alert."""
    pages = sorted((ROOT / "docs" / "runbooks").glob("Taxi*.md"))
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


if __name__ == "__main__":
    print(text(), end="")
