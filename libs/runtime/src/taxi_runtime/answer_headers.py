"""Headers of every answer of ours: they keep it to itself, and do not tell what serves it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

#: Content is what its type says, and an address in here is told to nobody.
ALWAYS: Final = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"))
#: Data is not kept by caches. What is no page loads and runs nothing, and stands in no frame.
UNLESS_GIVEN: Final = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
_OPTIONAL: Final = frozenset(name.lower() for name, _ in UNLESS_GIVEN)
ALL: Final = (*ALWAYS, *UNLESS_GIVEN)


def added_to(headers: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Return what is added to an application's headers; what it says itself wins.

    >>> [name for name, _ in added_to([("cache-control", "public")])]
    ['X-Content-Type-Options', 'Referrer-Policy', 'Content-Security-Policy']
    """
    given = {name.lower() for name, _ in headers} & _OPTIONAL
    if not given:
        return ALL  # nearly always
    return (*ALWAYS, *(one for one in UNLESS_GIVEN if one[0].lower() not in given))


def kept_to_itself(app: Application, server: str) -> Application:
    """Return a WSGI application with these headers, for servers that are not gunicorn.

    Args:
        app: Gives the answers.
        server: What the header `Server` says, which such a server would add with its version.
    """

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            added = [("Server", server), *added_to(headers)]
            return start_response(status, [*headers, *added], *error)

        return app(environ, start)

    return answer
