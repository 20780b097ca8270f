"""Reports as files."""

from collections.abc import Set
from pathlib import Path

from taxi_domain.errors import TaxiError
from taxi_files.writing import write_whole
from taxi_report.results import Rendered


class CopyError(TaxiError):
    """The copy of a report could not be written."""


def write_copy(report: Rendered, folder: Path, parts: Set[str]) -> None:
    """Write a report into a folder, which is made when there is none.

    Args:
        report: The report.
        folder: Where to.
        parts: `json`, `html`.

    Raises:
        CopyError: the folder cannot be made.
        FileWriteError: a file could not be written.
    """
    name = report.document["id"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CopyError(f"--out {folder}: {error.strerror}; name another folder") from error
    if "json" in parts:
        write_whole(folder / f"{name}.json", report.contents.json)
    if "html" in parts and report.contents.html is not None:
        write_whole(folder / f"{name}.html", report.contents.html)
