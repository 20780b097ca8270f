"""Addresses of Prometheus: their normal form, and which of them policies may name. Pure.

An address is a scheme, a host, perhaps a port and a plain path. Whatever two programs could read
differently is refused: user and password, escapes, `..`, empty parts, a dot at the end of the host.
"""

import re
from collections.abc import Sequence
from typing import Final

from taxi_domain.errors import FieldError

MAX_URL: Final = 300
_LABEL: Final = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(
    rf"(?P<scheme>(?i:https?))://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*)/?"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_URL_FIELD: Final = "spec.prometheus.url"


def address_of(text: object, field: str) -> str:
    """Return the normal form of an address; what is wrong with it is told without it.

    Raises:
        FieldError: it is none.

    >>> address_of("HTTP://Prometheus.monitoring:080/", "url")
    'http://prometheus.monitoring'
    """
    if isinstance(text, str) and "@" in text:
        raise FieldError(
            field, "has a user or a password",
            "leave them out; the chart has operator.prometheus.existingSecret for credentials",
        )  # fmt: skip
    found = _ADDRESS.fullmatch(text) if isinstance(text, str) and len(text) <= MAX_URL else None
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 0 < port <= 65535):
        raise FieldError(
            field, "is no address of Prometheus",
            f"give http://host:port of at most {MAX_URL} characters, with a plain path if needed",
        )  # fmt: skip
    scheme = found["scheme"].lower()
    shown = "" if port in {None, _DEFAULT_PORTS[scheme]} else f":{port}"
    return f"{scheme}://{found['host'].lower()}{shown}{found['path']}"


class AllowList:
    """The addresses that may be asked.

    Args:
        platform: Address of the platform's server, empty when there is none.
        others: What policies may name beside it; each stands for the paths below it, too.

    Raises:
        FieldError: one is no address.
    """

    def __init__(self, platform: str, others: Sequence[str] = ()) -> None:
        self.platform = address_of(platform, "operator.prometheus.url") if platform else ""
        self._others = [address_of(one, "operator.prometheus.allowedURLs") for one in others]

    def require(self, url: str) -> str:
        """Return the address that a policy's `prometheus.url` stands for; empty: the platform's.

        Raises:
            FieldError: it is not on the list.
        """
        if not url and not self.platform:
            raise FieldError(
                _URL_FIELD, "is missing, and the operator has no server of the platform",
                "set operator.prometheus.url of the chart",
            )  # fmt: skip
        address = address_of(url, _URL_FIELD) if url else self.platform
        below = (address == one or address.startswith(f"{one}/") for one in self._others)
        if address != self.platform and not any(below):
            raise FieldError(
                _URL_FIELD, "is not on the platform's list",
                "leave it out to ask the platform's Prometheus, or have it added to "
                "operator.prometheus.allowedURLs of the chart",
            )  # fmt: skip
        return address
