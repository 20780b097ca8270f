"""Real mongods as the chart runs them: with users, a set's key, TLS, and what keeps all of that."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote_plus

from support.certificates import Authority
from support.waiting import wait_for
from taxi_local.mongod import Mongod
from taxi_store.admin import server_files

NAME = "rs0"
COMPONENTS = ("root", "predictor", "monitor", "train", "operator")


class Secrets:
    """The Secrets and the ConfigMap of a release, as they are mounted.

    Args:
        folder: Where they are; `mongodb`, `retention`, `tls` and `key` are in it.
        authority: What signs the certificate of the servers.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.tls = folder / "tls"
        self.key = folder / "key"
        self.ca_file = self.tls / "ca.crt"
        authority.secret(self.tls)
        self.key.write_text("a1b2c3d4e5f6g7h8")
        for component in COMPONENTS:
            self.set_password(component, f"secret of {component}: /?@")
        (folder / "retention").mkdir()
        for kind in ("predictions", "labels"):
            (folder / "retention" / f"{kind}-days").write_text("90")

    def set_password(self, component: str, password: str) -> None:
        """Write a component's Secret."""
        secret = self.folder / "mongodb" / component
        secret.mkdir(parents=True, exist_ok=True)
        (secret / "username").write_text(component)
        (secret / "password").write_text(password)

    def password(self, component: str) -> str:
        """Return what is in a component's Secret."""
        return (self.folder / "mongodb" / component / "password").read_text()

    @property
    def options(self) -> str:
        """Return what a URI needs for TLS."""
        return f"tls=true&tlsCAFile={quote_plus(str(self.ca_file))}"


class Member:
    """One pod of MongoDB: a mongod and the process that keeps its users and its set."""

    def __init__(self, folder: Path, secrets: Secrets, *, in_a_set: bool = True) -> None:
        folder.mkdir()
        self.ready = folder / "ready"
        self.secrets = secrets
        self._folder = folder
        self._keeper: subprocess.Popen[bytes] | None = None
        given = ["--certificates", str(secrets.tls), "--to", str(folder)]
        arguments = [
            "--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates",
            "--tlsCertificateKeyFile", str(folder / server_files.CERTIFICATE),
            "--tlsCAFile", str(secrets.ca_file),
            "--setParameter", "suppressNoTLSPeerCertificateWarning=true",
        ]  # fmt: skip
        if in_a_set:
            given += ["--key", str(secrets.key)]
            arguments += ["--replSet", NAME, "--keyFile", str(folder / server_files.KEY)]
        else:
            arguments.append("--auth")
        # What the init container does.
        assert server_files.main(given) == 0
        self.mongod = Mongod(folder, *arguments, options=secrets.options)
        self.host = f"127.0.0.1:{self.mongod.port}"

    def keep(self, members: Sequence[str] = ()) -> None:
        """Start what keeps its users, and the set of these members."""
        of_set = ["--replica-set", NAME, "--members", ",".join(members), "--own", self.host]
        with (self._folder / "keeper.log").open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-m", "taxi_store.admin.bootstrap_users",
                 "--credentials", str(self.secrets.folder / "mongodb"),
                 "--retention", str(self.secrets.folder / "retention"),
                 "--ready-file", str(self.ready), "--host", self.host,
                 "--ca-file", str(self.secrets.ca_file), "--certificates", str(self.secrets.tls),
                 "--server-files", str(self._folder), "--pause-seconds", "0.3",
                 *(of_set if members else [])],
                env=os.environ, stdout=log, stderr=log,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Wait until its probe would let it be used."""
        wait_for(f"{self._folder.name} is ready", self.ready.exists, 120)

    def told(self) -> str:
        """Return what its keeper logged."""
        return (self._folder / "keeper.log").read_text()

    def end_keeper(self) -> None:
        """End what keeps it, as a container that is started anew; the server goes on."""
        if self._keeper is not None:
            self._keeper.send_signal(signal.SIGTERM)
            self._keeper.wait(60)
            self._keeper = None

    def close(self) -> None:
        """End both."""
        if self._keeper is not None:
            self._keeper.kill()
            self._keeper.wait()
        self.mongod.stop()


def uri_of(members: Sequence[Member], component: str, *, of_set: bool = True) -> str:
    """Return a component's URI as the chart writes it."""
    secrets = members[0].secrets
    source = "admin" if component == "root" else "taxi"
    hosts = ",".join(one.host for one in members)
    return (
        f"mongodb://{component}:{quote_plus(secrets.password(component))}@{hosts}/taxi"
        f"?authSource={source}&{secrets.options}" + (f"&replicaSet={NAME}" if of_set else "")
    )


@contextmanager
def closing(members: Sequence[Member]) -> Iterator[None]:
    """End all of them at the end."""
    with ExitStack() as stack:
        for one in members:
            stack.callback(one.close)
        yield
