"""A data file from an address: downloaded whole, within bounds, or not at all."""

import logging
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import tenacity

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_files.reading import CSV

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
        folder: Where it is put, as `rows` with the ending of the address.
        max_bytes: Largest size.

    Raises:
        NotAvailableError: the server does not answer, also not after some tries.
        DownloadError: it refuses, the file is too large, or it cannot be written.
    """
    # It logs whole addresses, also those of redirects.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    shown = shown_address(address)
    path = folder / f"rows{CSV if _path(address).lower().endswith(CSV) else '.parquet'}"
    size = 0
    try:
        with (
            httpx.stream("GET", address, timeout=_CALL_SECONDS, follow_redirects=True) as answer,
            path.open("wb") as file,
        ):
            if answer.status_code >= 500:
                raise NotAvailableError(f"{shown}: {answer.status_code}; try again later")
            if answer.status_code != 200:
                raise DownloadError(f"{shown}: {answer.status_code}; give an address that answers")
            for piece in answer.iter_bytes():
                size += len(piece)
                if size > max_bytes:
                    raise DownloadError(f"{shown}: is larger than {max_bytes} bytes; use a volume")
                file.write(piece)
    # Not the errors' own texts and causes: they may hold the address.
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise DownloadError(f"{shown}: is no address; give http(s)://...") from None
    except httpx.HTTPError as error:
        raise NotAvailableError(f"{shown}: {type(error).__name__}; try again later") from None
    except OSError as error:
        raise DownloadError(
            f"{path}: cannot be written ({error.strerror}); use a volume with more room"
        ) from error
    return path


def shown_address(address: str) -> str:
    """Return scheme, host and path of an address: the rest may be secret.

    >>> shown_address("https://me:word@example.com:8443/rows.csv?signature=abc#part")
    'https://example.com:8443/rows.csv'
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # an unfinished IPv6 address
        return f"{address.partition(':')[0]}://..."
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""
