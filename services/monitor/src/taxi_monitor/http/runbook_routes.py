"""The runbooks: what the alerts link to where nobody hosts the pages elsewhere."""

import re
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Final

from flask import Blueprint, Response

from taxi_runtime.doors import Door
from taxi_runtime.problems import ProblemError

_FILE: Final = Path(__file__).parents[1] / "static" / "runbooks.md"
_PAGE: Final = re.compile(r"^(?=# Taxi\w+$)", re.MULTILINE)


@cache
def runbooks() -> dict[str, str]:
    """Return the pages by the name of their alert, as they are written (Markdown).

    The file is made of docs/runbooks by tools/dev/runbooks_file.py.
    """
    pages = _PAGE.split(_FILE.read_text(encoding="utf-8"))
    return {
        page.partition("\n")[0].removeprefix("# "): page.strip() + "\n" for page in pages if page
    }


def runbook_blueprint() -> Blueprint:
    """Return the routes."""
    routes = Blueprint("runbooks", __name__)

    # Nothing of the model stands in them: who is called has no token at hand.
    @routes.get("/runbooks/<alert>")
    @Door("whoever is alerted")
    def runbook(alert: str) -> Response:
        page = runbooks().get(alert)
        if page is None:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, "runbooks: no alert has this name; give that of one"
            )
        return Response(page, content_type="text/plain; charset=utf-8")

    return routes
