"""Errors as `application/problem+json` (RFC 9457): they name the field and the remedy."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from flask import Response
from msgspec import Meta, Struct
from werkzeug.exceptions import HTTPException

CONTENT_TYPE: Final = "application/problem+json"
#: Headers of the framework's errors that stay: those of its own page do not.
_OF_A_PAGE: Final = {"content-type", "content-length"}


class Problem(Struct, omit_defaults=True):
    """The body of an error."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Meta(description="What is wrong, and what helps.")]
    field: Annotated[str, Meta(description="The field that is meant.")] = ""


class ProblemError(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        reason: Word for the counter of refused or of failed rows; empty when only the status
            tells which of both they are.
        detail: What is wrong and what helps.
        field: Field of the request that is meant.
        headers: Headers of the answer.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each part of the answer
        self,
        status: HTTPStatus,
        detail: str,
        *,
        reason: str = "",
        field: str = "",
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        self.field = field
        self.headers = dict(headers or {})
        if retry_after is not None:
            #: Seconds after which a repeat can work.
            self.headers["Retry-After"] = str(retry_after)

    @classmethod
    def of_framework(cls, error: HTTPException, reason: str = "") -> "ProblemError":
        """Return an error of Flask's with the headers that go with it, as `Allow` with 405."""
        status = HTTPStatus(error.code or 500)
        headers = {
            name: value
            for name, value in error.get_response().headers
            if name.lower() not in _OF_A_PAGE
        }
        return cls(status, error.description or status.phrase, reason=reason, headers=headers)

    def answer(self) -> Response:
        """Return the HTTP answer."""
        body = Problem("about:blank", self.status.phrase, int(self.status), self.detail, self.field)
        response = Response(
            msgspec.json.encode(body), status=int(self.status), content_type=CONTENT_TYPE
        )
        response.headers.extend(self.headers)
        return response
