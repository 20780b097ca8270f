"""Keys of a mounted Secret, read anew when they change."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from taxi_domain.errors import NotAvailableError

Value = TypeVar("Value")


class SecretFile(Generic[Value]):
    """A file that may be replaced at any time, as the kubelet does with those of a Secret.

    Args:
        path: Where it is.
        read: Makes a value of what is in it; a ValueError says that it cannot be used.
        whose: The system that it is for, as people call it.
        setting: Value of the chart that names the Secret, without `existingSecret`.
    """

    def __init__(
        self, path: Path, read: Callable[[bytes], Value], whose: str, setting: str
    ) -> None:
        self._path = path
        self._read = read
        self._whose, self._setting = whose, setting
        self._seen: tuple[int, int, int] | None = None
        self._value: Value | None = None

    def value(self) -> Value | None:
        """Return what is in it, None without the file.

        Raises:
            NotAvailableError: it cannot be used.
        """
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
            raise self.unusable() from None
        return self._value

    def unusable(self) -> NotAvailableError:
        """Return the error of a key that cannot be used."""
        return NotAvailableError(
            f"{self._whose}: the operator cannot use the key {self._path.name} of the Secret in "
            f"{self._setting}.existingSecret; see docs/drift-policy.md"
        )
