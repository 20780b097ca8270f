"""Bodies share a budget: what goes beyond it is refused before it is read."""

import io
from http import HTTPStatus

import pytest

from taxi_runtime.bodies import PIECE_BYTES, Bodies, Environ, media_type
from taxi_runtime.problems import ProblemError

LIMIT = 8 * PIECE_BYTES


def environ(size: int, **headers: str) -> Environ:
    return {"wsgi.input": io.BytesIO(b"x" * size), **headers}


def refused(bodies: Bodies, size: int, **headers: str) -> ProblemError:
    with pytest.raises(ProblemError) as raised, bodies.read(environ(size, **headers)):
        pytest.fail("it was read")
    return raised.value


def test_a_body_of_the_limit_is_lent_whole() -> None:
    with Bodies(LIMIT).read(environ(LIMIT)) as data:
        assert data == b"x" * LIMIT


@pytest.mark.parametrize("headers", [{}, {"CONTENT_LENGTH": str(LIMIT + 1)}])
def test_one_byte_more_is_too_large(headers: dict[str, str]) -> None:
    assert (
        refused(Bodies(LIMIT), LIMIT + 1, **headers).status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    )


def test_what_goes_beyond_the_budget_is_refused_until_there_is_room() -> None:
    bodies = Bodies(LIMIT, budget_bytes=LIMIT)
    rest = environ(LIMIT)
    with bodies.read(environ(LIMIT // 2)), bodies.read(environ(LIMIT // 2)):
        with pytest.raises(ProblemError) as raised, bodies.read(rest):
            pytest.fail("it was read")
        with bodies.read(environ(PIECE_BYTES - 1)) as data:
            assert len(data) == PIECE_BYTES - 1, "small ones are free"

    assert raised.value.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert raised.value.headers["Retry-After"]
    assert len(rest["wsgi.input"].read()) == LIMIT - PIECE_BYTES, "no more was read"
    with bodies.read(environ(LIMIT)) as data:
        assert len(data) == LIMIT


def test_room_is_free_again_whatever_happens() -> None:
    bodies = Bodies(LIMIT, budget_bytes=LIMIT)
    for _ in range(3):
        assert refused(bodies, LIMIT + 1).status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        with pytest.raises(ZeroDivisionError), bodies.read(environ(LIMIT)):
            raise ZeroDivisionError
    with bodies.read(environ(LIMIT)) as data:
        assert len(data) == LIMIT


def test_one_body_always_has_room() -> None:
    with Bodies(LIMIT, budget_bytes=1).read(environ(LIMIT)) as data:
        assert len(data) == LIMIT


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "x"])
def test_coded_bodies_are_not_read(coding: str) -> None:
    error = refused(Bodies(LIMIT), 1, HTTP_CONTENT_ENCODING=coding)

    assert error.status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert error.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("kind", ["a/b", "A/B", " a/b ", "a/b; charset=utf-8", "a/b;x"])
def test_a_media_type_has_no_case_and_may_have_parameters(kind: str) -> None:
    assert media_type({"CONTENT_TYPE": kind}, "a/b", "c/d") == "a/b"


@pytest.mark.parametrize("kind", ["", "a", "a/bc", "x; a/b"])
def test_others_are_told_what_is_understood(kind: str) -> None:
    with pytest.raises(ProblemError, match="send a/b or c/d") as raised:
        media_type({"CONTENT_TYPE": kind}, "a/b", "c/d")

    assert raised.value.status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE
