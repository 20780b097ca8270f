"""Write the dashboards: python -m taxi_dashboards.main FOLDER."""

import json
import sys
from pathlib import Path
from typing import Any

from taxi_dashboards import model, overview, pipeline, policies

BOARDS = (overview.BOARD, model.BOARD, policies.BOARD, pipeline.BOARD)


def documents() -> dict[str, dict[str, Any]]:
    """Return all boards by the name of their file."""
    titles = {board.name: board.title for board in BOARDS}
    return {f"{board.name}.json": board.document(titles) for board in BOARDS}


def text_of(document: dict[str, Any]) -> str:
    """Return a board as its file has it: a panel a line, so that a change shows where it is."""
    panels = ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in document["panels"])
    rest = {name: value for name, value in document.items() if name != "panels"}
    head = json.dumps(rest, ensure_ascii=False, indent=1).removesuffix("\n}")
    return f'{head},\n "panels": [\n  {panels}\n ]\n}}\n'


def main() -> None:
    """Write each board into the folder."""
    folder = Path(sys.argv[1])
    for name, document in documents().items():
        (folder / name).write_text(text_of(document), encoding="utf-8")


if __name__ == "__main__":
    main()
