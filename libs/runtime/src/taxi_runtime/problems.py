"""Errors as `application/problem+json` (RFC 9457): they name the field and the remedy."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from flask import Response
from msgspec import Meta, Struct

CONTENT_TYPE = "application/problem+json"


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
        reason: Word for the counter of refused or of failed rides; empty when only the status
            tells which of both they are.
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
        body = Problem("about:blank", self.status.phrase, int(self.status), self.detail, self.field)
        response = Response(
            msgspec.json.encode(body), status=int(self.status), content_type=CONTENT_TYPE
        )
        if self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
        return response
