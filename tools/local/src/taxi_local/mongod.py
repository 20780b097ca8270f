"""A real mongod on a free loopback port, which tests may kill, stop and start again."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from taxi_cluster.mongod import binary
from taxi_local.ports import free_port
from taxi_store.connection import Document


class Mongod:
    """One mongod with its own data folder; ended by its pid.

    Args:
        folder: Where its data and its log are.
        arguments: More of its command line.
        options: What clients need beside its address, for example `tls=true`.
    """

    def __init__(
        self, folder: Path, *arguments: str, cache_gib: float = 0.25, options: str = ""
    ) -> None:
        self.port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/taxi" + (f"?{options}" if options else "")
        self._folder = folder
        self._arguments = ("--wiredTigerCacheSizeGB", str(cache_gib), *arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        path = os.environ.get("TAXI_MONGOD") or str(binary())
        (self._folder / "db").mkdir(exist_ok=True)
        with (self._folder / "mongod.log").open("ab") as log:
            self._process = subprocess.Popen(
                [path, "--dbpath", str(self._folder / "db"), "--port", str(self.port),
                 "--bind_ip", "127.0.0.1", "--nounixsocket", *self._arguments],
                # Not told to end by a Ctrl-C that is meant for us: we end it when its users are.
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 180
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "mongod.log").read_text()[-2000:])
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """Return the server's pid."""
        assert self._process is not None
        return self._process.pid

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def hang(self) -> None:
        """Stop it without ending it: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a hanging one run again."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        client: MongoClient[Document]
        # A member of a set that is not made yet answers nobody who looks for a set.
        with MongoClient(self.uri, serverSelectionTimeoutMS=500, directConnection=True) as client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                return False
        return True


@contextmanager
def running_mongod(
    *arguments: str, folder: Path | None = None, cache_gib: float = 0.25
) -> Iterator[Mongod]:
    """Run a mongod, in a new folder unless one is given, with so large a cache."""
    with tempfile.TemporaryDirectory() as scratch:
        one = Mongod(folder or Path(scratch), *arguments, cache_gib=cache_gib)
        try:
            one.start()
            yield one
        finally:
            one.stop()
