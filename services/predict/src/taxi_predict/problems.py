"""Errors as `application/problem+json` (RFC 9457): they name the field and the remedy."""

from http import HTTPStatus

import msgspec
from flask import Response

CONTENT_TYPE = "application/problem+json"


class ProblemError(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        reason: Word for the counter of refused rides; empty counts nothing.
        detail: What is wrong and what helps.
        field: Field of the request that is meant.
        retry_after: Seconds after which a repeat can work.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        reason: str = "",
        field: str = "",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        self.field = field
        self.retry_after = retry_after

    def answer(self) -> Response:
        """Return the HTTP answer."""
        body: dict[str, object] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }
        if self.field:
            body["field"] = self.field
        response = Response(
            msgspec.json.encode(body), status=int(self.status), content_type=CONTENT_TYPE
        )
        if self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
        return response
