"""Puts a mongod's certificate and key into the form and with the rights that it wants.

A Secret has the certificate and its key apart, as cert-manager writes them, and its files can be
read by a pod's group. mongod wants both in one file, and refuses the key of a replica set that its
group can read. So an init container, which has mongod's own user, copies them into a folder of the
pod. The container beside mongod copies a renewed certificate, and asks the server to take it.

Exit codes: 0 done, 2 a file cannot be used.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from taxi_domain.errors import FieldError
from taxi_domain.logs import set_up

CERTIFICATE: Final = "server.pem"
KEY: Final = "set.key"
_OWNER_READS: Final = 0o400
#: Renewals are written by another container, whose files mongod reads by the pod's group.
_GROUP_READS: Final = 0o640
_KEY_CHARACTERS: Final = range(6, 1025)

logger = logging.getLogger("taxi_store.admin.server_files")


def copy_certificate(secret: Path, folder: Path) -> bool:
    """Write certificate and key as one file; return whether it is another one than before.

    Args:
        secret: Folder with `tls.crt` (with the chain) and `tls.key`.
        folder: Where `CERTIFICATE` is written.

    Raises:
        FieldError: a file is missing or is no PEM.
    """
    parts = [_pem(secret / name) for name in ("tls.crt", "tls.key")]
    wanted = b"".join(one if one.endswith(b"\n") else one + b"\n" for one in parts)
    target = folder / CERTIFICATE
    if target.exists() and target.read_bytes() == wanted:
        return False
    _write(target, wanted, _GROUP_READS)
    return True


def copy_key(secret: Path, folder: Path) -> None:
    """Write the key by which members of a replica set know each other.

    Args:
        secret: Its file.
        folder: Where `KEY` is written.

    Raises:
        FieldError: it is missing, or no key that mongod takes.
    """
    key = _read(secret).strip()
    if len(key) not in _KEY_CHARACTERS:
        raise FieldError(
            str(secret), f"has {len(key)} characters",
            f"put {_KEY_CHARACTERS[0]} to {_KEY_CHARACTERS[-1]} letters and digits into the Secret",
        )  # fmt: skip
    _write(folder / KEY, key + b"\n", _OWNER_READS)


def _write(target: Path, content: bytes, mode: int) -> None:
    aside = target.with_suffix(".new")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    # Whatever the umask took away.
    aside.chmod(mode)
    aside.rename(target)


def _pem(path: Path) -> bytes:
    content = _read(path)
    if b"-----BEGIN " not in content:
        raise FieldError(str(path), "is no PEM", "put a certificate and its key into the Secret")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FieldError(str(path), f"cannot be read ({error.strerror})", "mount it") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy what is given."""
    parser = argparse.ArgumentParser(prog="taxi_store.admin.server_files", description=__doc__)
    parser.add_argument("--certificates", type=Path, help="folder of the Secret; none: no TLS")
    parser.add_argument("--key", type=Path, help="file with the set's key; none: no replica set")
    parser.add_argument("--to", type=Path, required=True, help="folder that mongod reads")
    options = parser.parse_args(arguments)
    set_up()
    try:
        if options.certificates is not None:
            copy_certificate(options.certificates, options.to)
        if options.key is not None:
            copy_key(options.key, options.to)
    except FieldError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
