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
#: A body is read in pieces of so many bytes. The first one is free, so that single rides, probes
#: and stalled beginnings take nothing from the others.
PIECE_BYTES: Final = 16 * 1024
_RETRY_SECONDS: Final = 2


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
    """Reads the bodies of one process.

    Args:
        max_bytes: Of one body.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    @contextmanager
    def read(self, environ: Environ) -> Iterator[bytes]:
        """Lend the request's body.

        Raises:
            ProblemError: it is coded, too large, malformed, or did not come in time.
        """
        _require_plain(environ)
        if int(environ.get("CONTENT_LENGTH") or 0) > self._max_bytes:
            raise self._too_large()
        try:
            data = self._collected(environ["wsgi.input"])
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
        yield data

    def _collected(self, body: Body) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := body.read(PIECE_BYTES):
            size += len(piece)
            if size > self._max_bytes:
                raise self._too_large()
            pieces.append(piece)
        return b"".join(pieces)

    def _too_large(self) -> ProblemError:
        return ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"body: is larger than {self._max_bytes} bytes; send less at once",
            reason="too_large",
        )


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
