"""Headers that are not whole yet wait in memory: how much of it they may take."""

from typing import Final

from gunicorn.http.message import Request

#: Of one connection; the parser holds it twice. gunicorn itself allows 0.8 MB, which stalled
#: connections by the hundred turn into more than a pod's memory.
MAX_HEADER_BYTES: Final = 32 * 1024


class BoundedRequest(Request):  # type: ignore[misc]  # gunicorn ships no types
    """A request whose headers are refused when they are too large together."""

    @property
    def max_buffer_headers(self) -> int:
        """Bytes of headers that are read."""
        return MAX_HEADER_BYTES

    @max_buffer_headers.setter
    def max_buffer_headers(self, _product: int) -> None:
        """Let gunicorn's own product of number and size of fields be."""
