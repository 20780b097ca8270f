"""What the platform's Prometheus is asked with: a token or a user, a CA bundle, a tenant."""

import base64
import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from taxi_domain.errors import NotAvailableError

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
        self._token = _File(folder / TOKEN_FILE, _token)
        self._user = _File(folder / USER_FILE, bytes.strip)
        self._password = _File(folder / PASSWORD_FILE, bytes.strip)
        self._ca = _File(folder / CA_FILE, _tls)

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


class _File(Generic[Value]):
    """A file that may be replaced at any time, as the kubelet does with those of a Secret."""

    def __init__(self, path: Path, read: Callable[[bytes], Value]) -> None:
        self._path = path
        self._read = read
        self._seen: tuple[int, int, int] | None = None
        self._value: Value | None = None

    def value(self) -> Value | None:
        """Return what is in it, None without the file."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._value = self._read(self._path.read_bytes())
                self._seen = seen
        except (FileNotFoundError, NotADirectoryError):
            self._seen = self._value = None
        except (OSError, ValueError):
            # The cause is left out: it may hold what is secret.
            raise NotAvailableError(
                f"Prometheus: the operator cannot use the key {self._path.name} of the Secret in "
                "operator.prometheus.existingSecret; see docs/drift-policy.md"
            ) from None
        return self._value


def _token(content: bytes) -> str:
    token = content.strip()
    if not _TOKEN.fullmatch(token):
        raise ValueError("a header cannot carry it")
    return token.decode()


def _tls(content: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=content.decode("ascii"))
