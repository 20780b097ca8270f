"""What the platform's Prometheus is asked with: a token or a user, a CA bundle, a tenant."""

import base64
import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from taxi_operator.adapters.secret_files import SecretFile

#: Keys of the Secret, which are files where it is mounted.
TOKEN_FILE: Final = "token"  # noqa: S105 - the name of a file
USER_FILE: Final = "username"
PASSWORD_FILE: Final = "password"  # noqa: S105 - the name of a file
CA_FILE: Final = "ca.crt"
_TOKEN: Final = re.compile(rb"[!-~]+")
Value = TypeVar("Value")


class Credentials:
    """Credentials of one server, read anew when their files change.

    Args:
        folder: Where the Secret is mounted; None: there is none.
        tenant_header: Header with the tenant.
        tenant: Its value; empty: the header is not sent.
    """

    def __init__(self, folder: Path | None, tenant_header: str = "", tenant: str = "") -> None:
        self._tenant = {tenant_header: tenant} if tenant else {}
        folder = folder or Path(os.devnull)
        self._token = _file(folder / TOKEN_FILE, _token)
        self._user = _file(folder / USER_FILE, bytes.strip)
        self._password = _file(folder / PASSWORD_FILE, bytes.strip)
        self._ca = _file(folder / CA_FILE, _tls)

    def headers(self) -> dict[str, str]:
        """Return the headers of a request.

        Raises:
            NotAvailableError: they cannot be used.
        """
        if token := self._token.value():
            return self._tenant | {"Authorization": f"Bearer {token}"}
        if user := self._user.value():
            pair = base64.b64encode(user + b":" + (self._password.value() or b"")).decode()
            return self._tenant | {"Authorization": f"Basic {pair}"}
        return self._tenant

    def tls(self) -> ssl.SSLContext | bool:
        """Return whose certificates are trusted: those of the CA bundle, else the system's.

        Raises:
            NotAvailableError: the CA bundle cannot be used.
        """
        return self._ca.value() or True


def _file(path: Path, read: Callable[[bytes], Value]) -> SecretFile[Value]:
    return SecretFile(path, read, "Prometheus", "operator.prometheus")


def _token(content: bytes) -> str:
    token = content.strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError("a header cannot carry it")
    return token.decode()


def _tls(content: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=content.decode("ascii"))
