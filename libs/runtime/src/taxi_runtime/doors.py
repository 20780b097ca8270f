"""What each route takes, from whom and by which token: declared where the route is.

What is declared here is what is asked for before a route is called, and what `docs/doors.md` says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import Flask

_ATTRIBUTE: Final = "taxi_door"
#: Who calls what every server has.
PROBES: Final = "kubelet's probes"
PROMETHEUS: Final = "Prometheus"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Door:
    """A route's door.

    Attributes:
        opened_to: Who calls it, for people.
        token: Which token opens it; empty: none is asked for.
        body: What a request may bring, and how much of it, for people; empty: nothing is read.
    """

    opened_to: str
    token: str = ""
    body: str = ""

    def __call__(self, view: View) -> View:
        """Put the door before a view function."""
        setattr(view, _ATTRIBUTE, self)
        return view


def door_of(app: Flask, endpoint: str | None) -> Door | None:
    """Return the door of an endpoint, None when there is no such route.

    Raises:
        LookupError: the route has no door.
    """
    if endpoint is None:
        return None
    found: Door | None = getattr(app.view_functions[endpoint], _ATTRIBUTE, None)
    if found is None:
        raise LookupError(f"{endpoint}: has no door; put one before its view function")
    return found
