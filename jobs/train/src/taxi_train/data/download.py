"""A data file from an address: downloaded whole, within bounds, or not at all."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import tenacity

from taxi_domain.errors import NotAvailableError, TaxiError

MAX_BYTES: Final = 1 << 30
_CALL_SECONDS: Final = 30.0
_TRIES: Final = 4


class DownloadError(TaxiError):
    """An address gives no file that can be used; the text names it and the remedy."""


def is_address(data: str) -> bool:
    """Tell whether data are to be downloaded.

    >>> is_address("https://example.com/rows.parquet"), is_address("rows.parquet")
    (True, False)
    """
    return data.startswith(("http://", "https://"))


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(NotAvailableError),
    wait=tenacity.wait_random_exponential(multiplier=1, max=10),
    stop=tenacity.stop_after_attempt(_TRIES),
    reraise=True,
)
def download(address: str, folder: Path, max_bytes: int = MAX_BYTES) -> Path:
    """Download a file; its name's ending says what it is.

    Args:
        address: http or https; redirects are followed.
        folder: Where it is put, under its own name.
        max_bytes: Largest size.

    Raises:
        NotAvailableError: the server does not answer, also not after some tries.
        DownloadError: it refuses, or the file is too large.
    """
    path = folder / (Path(urlsplit(address).path).name or "rows.parquet")
    size = 0
    try:
        with (
            httpx.stream("GET", address, timeout=_CALL_SECONDS, follow_redirects=True) as answer,
            path.open("wb") as file,
        ):
            if answer.status_code >= 500:
                raise NotAvailableError(f"{address}: {answer.status_code}; try again later")
            if answer.status_code != 200:
                raise DownloadError(
                    f"{address}: {answer.status_code}; give an address that answers"
                )
            for piece in answer.iter_bytes():
                size += len(piece)
                if size > max_bytes:
                    raise DownloadError(
                        f"{address}: is larger than {max_bytes} bytes; use a volume"
                    )
                file.write(piece)
    except httpx.InvalidURL as error:
        raise DownloadError(f"{address}: is no address ({error}); give http(s)://...") from error
    except httpx.HTTPError as error:
        raise NotAvailableError(f"{address}: {error!r}; try again later") from error
    return path
