"""Where a day's files are: folders as Hive names them.

Names of manifests begin in a folder with an underscore, which readers of such folders pass over.
"""

import re
from datetime import date
from typing import Final

from taxi_domain.errors import FieldError

MANIFESTS: Final = "_manifests"
_MANIFEST: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.json")
#: What Hive writes as % and two digits in the value of a partition.
_ESCAPED: Final = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")


def hive(key: str, value: str) -> str:
    """Return the folder of a partition.

    >>> hive("model", "a/b=1")
    'model=a%2Fb%3D1'
    """
    return f"{key}={_ESCAPED.sub(lambda found: f'%{ord(found[0]):02X}', value)}"


def model_folder(model: str) -> str:
    """Return the folder of a model."""
    return hive("model", model)


def day_folder(model: str, version: str, day: date) -> str:
    """Return the folder of what a version answered on a day."""
    folders = (model_folder(model), hive("model_version", version), hive("date", day.isoformat()))
    return "/".join(folders)


def part_name(folder: str, number: int) -> str:
    """Return the name of a part of a day."""
    return f"{folder}/part-{number:04d}.parquet"


def manifest_name(model: str, day: date) -> str:
    """Return the name of a day's manifest."""
    return f"{model_folder(model)}/{MANIFESTS}/{day.isoformat()}.json"


def day_of_manifest(name: str) -> date | None:
    """Return the day of a manifest, None for a file that is none."""
    folder, _, file = name.rpartition("/")
    found = _MANIFEST.fullmatch(file)
    return date.fromisoformat(found[1]) if found and folder.endswith(MANIFESTS) else None


def read_day(field: str, text: str) -> date:
    """Read a day that a person gives.

    Raises:
        FieldError: it is none.
    """
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise FieldError(field, f"{text!r} is no day", "give it as 2021-03-01") from error
