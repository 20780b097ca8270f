"""Keeps MongoDB's users, rights and indexes as mounted files say; runs beside mongod.

The first user is made through MongoDB's localhost exception, which ends with it. The folder
of credentials has one folder for each component, with the files `username` and `password`;
it is read again and again, so that a changed Secret reaches the server without a restart. The same
goes for the folder that says how long rows and labels stay (`taxi_store.admin.retention`), and for
a server's certificate, which is renewed without a restart.

Beside each member of a replica set, it also makes the set and adds members
(`taxi_store.admin.replica_set`); users are made where the primary is.

The file `--ready-file` stays once a server has users: it serves, whatever becomes of its Secrets.
That they are kept to is told by a time in the data of the monitor's user, for an alert. A member
that is new has the file, too, until it is added: a StatefulSet restarts the one that adds it only
when the new ones are ready.

Exit codes: 0 asked to stop, 1 the server did not answer for too long, 2 unusable credentials.
"""

import argparse
import logging
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pymongo.errors import PyMongoError

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.logs import set_up
from taxi_store.admin.replica_set import Membership, NewMemberError, NotSettledError
from taxi_store.admin.retention import read_retention
from taxi_store.admin.roles import ROLES
from taxi_store.admin.server_files import copy_certificate
from taxi_store.admin.users import ROOT, Credential, LockedOutError, Users

_MAX_SECONDS: Final = 86_400

logger = logging.getLogger("taxi_store.admin.bootstrap_users")


def read_credentials(folder: Path) -> dict[str, Credential]:
    """Return the credentials by component; `root` is always among them.

    Raises:
        FieldError: a file is missing or empty, or a component is not known.
    """
    found: dict[str, Credential] = {}
    # Names with two dots belong to the kubelet's way of swapping a volume's content.
    for one in sorted(path for path in folder.glob("[!.]*") if path.is_dir()):
        if one.name not in {ROOT, *ROLES}:
            raise FieldError(
                str(one), "is no known component", f"use {ROOT}, {', '.join(sorted(ROLES))}"
            )
        found[one.name] = Credential(_line(one / "username"), _line(one / "password"))
    if ROOT not in found:
        raise FieldError(str(folder / ROOT), "is missing", "mount the Secret of root there")
    return found


def _line(path: Path) -> str:
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise FieldError(str(path), f"cannot be read ({error.strerror})", "mount it") from error
    if not text:
        raise FieldError(str(path), "is empty", "put a value into the Secret")
    return text


class Readiness:
    """The file by which a server is ready; it outlives this process, so it says why it is there."""

    _LENT: Final = "of no set yet"

    def __init__(self, file: Path) -> None:
        self._file = file

    def give(self) -> None:
        """Make the server ready for good."""
        self._file.write_text("")

    def lend(self) -> None:
        """Make it ready as long as it is of no set."""
        if not self._file.exists():
            self._file.write_text(self._LENT)

    def take_back(self) -> None:
        """End what was lent; what was given stays."""
        if self._file.exists() and self._file.read_text() == self._LENT:
            self._file.unlink()


def keep(  # noqa: PLR0913 - a clock beside its limits
    apply: Callable[[], bool],
    stop: threading.Event,
    ready: Readiness,
    *,
    pause_seconds: float,
    patience_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Apply what is wanted until `stop` is set; the server is ready after the first success.

    One that answers, if only to refuse, is waited for without an end.

    Returns:
        False when the server did not answer for `patience_seconds`.
    """
    last_success = clock()
    while not stop.is_set():
        try:
            if apply():
                logger.info("users, rights and indexes are as they should be")
            ready.give()
            last_success = clock()
        except NewMemberError as error:
            logger.warning("not set up: %s", error)
            ready.lend()
            last_success = clock()
        except (LockedOutError, NotSettledError) as error:
            # The server answers: a new process would know less than this one, which may have logged
            # in with the password of before.
            logger.warning("not set up: %s", error)
            ready.take_back()
            last_success = clock()
        except (TaxiError, PyMongoError) as error:
            waited = clock() - last_success
            logger.warning("not set up after %.0f s: %s", waited, error)
            if waited > patience_seconds:
                return False
        stop.wait(pause_seconds * random.uniform(0.8, 1.2))
    return True


def _seconds(text: str) -> float:
    """Return seconds between nothing and a day."""
    seconds = float(text)
    if not 0 < seconds <= _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most {_MAX_SECONDS}")
    return seconds


class Renewal:
    """Brings a renewed certificate from its Secret to the server.

    Args:
        secret: Folder of the Secret.
        folder: Where the server reads it.
    """

    def __init__(self, secret: Path, folder: Path, users: Users) -> None:
        self._secret = secret
        self._folder = folder
        self._users = users
        #: A process before this one may have copied it and said nothing.
        self._due = True

    def look(self, root: Credential) -> None:
        """Copy a certificate that is another one, and tell the server until it takes it.

        Raises:
            FieldError: the Secret has no certificate.
            PyMongoError: the server does not answer, or refuses.
        """
        self._due |= copy_certificate(self._secret, self._folder)
        if self._due:
            self._users.renew_certificate(root)
            self._due = False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="taxi_store.admin.bootstrap_users", description=__doc__)
    parser.add_argument("--credentials", type=Path, required=True, help="folder of the Secrets")
    parser.add_argument("--retention", type=Path, required=True, help="folder of its ConfigMap")
    parser.add_argument("--ready-file", type=Path, required=True, help="exists once users do")
    parser.add_argument("--host", default="127.0.0.1:27017", help="address of mongod")
    parser.add_argument("--replica-set", default="", help="name of the set; empty: stands alone")
    parser.add_argument("--members", default="", help="host:port of all, the first makes the set")
    parser.add_argument("--own", default="", help="which of them this is")
    parser.add_argument("--ca-file", type=Path, help="authority of the certificates; none: no TLS")
    parser.add_argument("--certificates", type=Path, help="folder of the certificate's Secret")
    parser.add_argument("--server-files", type=Path, help="folder that mongod reads it from")
    parser.add_argument("--pause-seconds", type=_seconds, default=3.0)
    parser.add_argument("--patience-seconds", type=_seconds, default=600.0)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    options = _parser().parse_args(arguments)
    set_up()
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    try:
        read_credentials(options.credentials)
        read_retention(options.retention)
        membership = _membership(options)
    except FieldError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return 2
    users = Users(options.host, membership=membership, ca_file=options.ca_file)
    renewal = None
    if options.certificates and options.server_files:
        renewal = Renewal(options.certificates, options.server_files, users)

    def apply() -> bool:
        wanted = read_credentials(options.credentials)
        changed = users.apply(wanted, read_retention(options.retention))
        if renewal is not None:
            renewal.look(wanted[ROOT])
        return changed

    kept = keep(
        apply,
        stop,
        Readiness(options.ready_file),
        pause_seconds=options.pause_seconds,
        patience_seconds=options.patience_seconds,
    )
    return 0 if kept else 1


def _membership(options: argparse.Namespace) -> Membership | None:
    if not options.replica_set:
        return None
    return Membership(options.replica_set, tuple(options.members.split(",")), options.own)


if __name__ == "__main__":
    sys.exit(main())
