"""Bodies of requests: read whole, within limits, and refused as problems.

gunicorn's parser raises errors of its own in the middle of a read, and frameworks cut what is
too large, so bodies are read here and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from gunicorn.http.errors import NoMoreData, ParseException

from taxi_runtime.problems import ProblemError

Environ = dict[str, Any]

JSON: Final = "application/json"
#: A body is read in pieces of so many bytes. The first one is free, so that single rows, probes
#: and stalled beginnings take nothing from the others.
PIECE_BYTES: Final = 16 * 1024
_RETRY_SECONDS: Final = 2
BUDGET_BYTES: Final = 16 * 1024 * 1024


class MalformedBodyError(Exception):
    """The body's transfer coding is broken, or the client left in the middle of it."""


class Body:
    """A request's body: `wsgi.input` of the application.

    Args:
        request: gunicorn's.

    Attributes:
        failed: Where the next request of the connection begins is not known; gunicorn reads it.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self._body = request.body
        self.failed = False

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, fewer only at the end.

        Raises:
            MalformedBodyError: it cannot be read; the connection is closed after the answer.
            TimeoutError: the request took too long.
        """
        try:
            data: bytes = self._body.read(size)
        except TimeoutError:
            self._fail()
            raise
        except (ParseException, NoMoreData, OSError) as error:
            self._fail()
            raise MalformedBodyError(str(error)) from error
        return data

    def discard(self) -> None:
        """Read what the application left: the next request comes after it.

        Raises:
            MalformedBodyError: it cannot be read.
            TimeoutError: the request took too long.
        """
        while self.read(PIECE_BYTES):
            pass

    def _fail(self) -> None:
        self.failed = True
        self._request.force_close()


class Bodies:
    """Reads the bodies of one process, in the thread that serves its connections.

    Args:
        max_bytes: Of one body.
        budget_bytes: Of all bodies that are read or worked on at a time, but for the first piece
            of each; one body always has room.
    """

    def __init__(self, max_bytes: int, budget_bytes: int = BUDGET_BYTES) -> None:
        self._max_bytes = max_bytes
        self._budget_bytes = max(budget_bytes, max_bytes)
        self._held_bytes = 0

    def allow(self, max_bytes: int) -> None:
        """Raise the limit of one body, and the budget with it."""
        self._max_bytes = max(self._max_bytes, max_bytes)
        self._budget_bytes = max(self._budget_bytes, max_bytes)

    @contextmanager
    def read(self, environ: Environ) -> Iterator[bytes]:
        """Lend the request's body; its share of the budget is free again afterwards.

        Raises:
            ProblemError: it is coded, too large, malformed, did not come in time, or there are
                too many at once.
        """
        _require_plain(environ)
        if int(environ.get("CONTENT_LENGTH") or 0) > self._max_bytes:
            raise self._too_large()
        share = _Share()
        try:
            yield self._read(environ["wsgi.input"], share)
        finally:
            self._held_bytes -= share.bytes

    def _read(self, body: Body, share: "_Share") -> bytes:
        try:
            return self._collected(body, share)
        except TimeoutError as error:
            raise ProblemError(
                HTTPStatus.REQUEST_TIMEOUT, "body: did not come in time; send it at once",
                reason="malformed",
            ) from error  # fmt: skip
        except MalformedBodyError as error:
            raise ProblemError(
                HTTPStatus.BAD_REQUEST, f"body: cannot be read ({error}); send it whole",
                reason="malformed",
            ) from error  # fmt: skip

    def _collected(self, body: Body, share: "_Share") -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := body.read(PIECE_BYTES):
            size += len(piece)
            if size > self._max_bytes:
                raise self._too_large()
            pieces.append(piece)
            if len(piece) == PIECE_BYTES:
                self._take(share)
        return b"".join(pieces)

    def _take(self, share: "_Share") -> None:
        """Take the room of the next piece, before it is read."""
        if self._held_bytes + PIECE_BYTES > self._budget_bytes:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "body: too many large ones are being sent at once; send it again later",
                reason="overloaded", retry_after=_RETRY_SECONDS,
            )  # fmt: skip
        self._held_bytes += PIECE_BYTES
        share.bytes += PIECE_BYTES

    def _too_large(self) -> ProblemError:
        return ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"body: is larger than {self._max_bytes} bytes; send less at once",
            reason="too_large",
        )


class _Share:
    """What a body takes of the budget."""

    bytes = 0


def media_type(environ: Environ, *accepted: str) -> str:
    """Return the body's media type.

    Raises:
        ProblemError: it is none of these.
    """
    found: str = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if found not in accepted:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type: {found or 'none'} is not understood; send {' or '.join(accepted)}",
            reason="content_type",
        )
    return found


def _require_plain(environ: Environ) -> None:
    """Refuse codings: a small compressed body can be a large one."""
    coding = environ.get("HTTP_CONTENT_ENCODING", "")
    if coding.lower() not in ("", "identity"):
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding: {coding} is not understood; send the body as it is",
            reason="content_type", headers={"Accept-Encoding": "identity"},
        )  # fmt: skip
    transfer = environ.get("HTTP_TRANSFER_ENCODING", "")
    if transfer.lower() not in ("", "chunked"):
        raise ProblemError(
            HTTPStatus.NOT_IMPLEMENTED,
            f"Transfer-Encoding: {transfer} is not understood; send chunked alone",
            reason="content_type",
        )
