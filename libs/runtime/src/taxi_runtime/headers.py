"""Headers of requests: how much memory they may take, and whom they may speak for."""

from typing import Final

from gunicorn.http.message import Request

#: Of one connection; the parser holds it twice. gunicorn itself allows 0.8 MB, which stalled
#: connections by the hundred turn into more than a pod's memory.
MAX_HEADER_BYTES: Final = 32 * 1024


class BoundedRequest(Request):  # type: ignore[misc]  # gunicorn ships no types
    """A request whose headers are refused when they are too large together.

    What a proxy says of itself (its scheme, `SCRIPT_NAME`) is taken from nobody: no answer depends
    on it. gunicorn would take it from a sidecar's address, and compare that for each request.
    """

    def _peer_trusted_for_forwarded(self) -> tuple[dict[str, str], list[str]]:
        return {}, []

    @property
    def max_buffer_headers(self) -> int:
        """Bytes of headers that are read."""
        return MAX_HEADER_BYTES

    @max_buffer_headers.setter
    def max_buffer_headers(self, _product: int) -> None:
        """Let gunicorn's own product of number and size of fields be."""
