"""kubectl and helm with a named context and a time-out in every call."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import tenacity

from taxi_domain.errors import TaxiError

#: What kubectl and helm say where the API server was not reached: nothing was done.
NOT_REACHED: Final = re.compile(
    r"^(The connection to the server \S+ was refused"
    r"|Unable to connect to the server: (net/http: TLS handshake timeout|dial tcp)"
    r"|error: error validating .*: failed to download openapi: "
    r"|Error: (\w+ FAILED: )?[Kk]ubernetes cluster unreachable: )",
    re.MULTILINE,
)
#: And where it did not answer: who only reads may ask again.
_NOT_ANSWERED: Final = re.compile(
    r"^(The connection to the server|Unable to connect to the server"
    r"|Error from server \((Timeout|ServerTimeout|ServiceUnavailable|TooManyRequests)\)"
    r"|Error from server: (etcdserver|rpc error)|error: http2: client connection lost)",
    re.MULTILINE,
)
_READS: Final = ("get", "logs", "wait", "rollout status")
_ATTEMPTS: Final = 5


class CommandError(TaxiError):
    """A command ended with an error or did not end in time."""

    def __init__(self, command: Sequence[str], problem: str, output: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-15:])
        super().__init__(f"{' '.join(command[:6])}: {problem}\n{tail}".rstrip())
        self.output = output


def run(
    command: Sequence[str],
    *,
    timeout: float,
    stdin: str | None = None,
    again: re.Pattern[str] = NOT_REACHED,
) -> str:
    """Run a command to its end and return its standard output.

    Args:
        command: Its words.
        timeout: Seconds.
        stdin: What it reads.
        again: Of what it says when it failed: it is run again then, a few times.

    Raises:
        CommandError: it is not installed, failed, or took longer than `timeout` seconds.
    """

    def may_help(error: BaseException) -> bool:
        return isinstance(error, CommandError) and again.search(error.output) is not None

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_help),
        wait=tenacity.wait_exponential(multiplier=0.5) + tenacity.wait_random(0.0, 0.5),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        reraise=True,
    )
    return retrying(_run, command, timeout, stdin)


def _run(command: Sequence[str], timeout: float, stdin: str | None) -> str:
    try:
        done = subprocess.run(
            list(command), input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
    except FileNotFoundError as error:
        raise CommandError(command, f"{command[0]} is not installed", "") from error
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode() if isinstance(error.stdout, bytes) else ""
        raise CommandError(command, f"no end after {timeout:g} s", output) from error
    if done.returncode != 0:
        raise CommandError(command, f"exit code {done.returncode}", done.stdout + done.stderr)
    return done.stdout


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl in one context and one namespace."""

    context: str
    namespace: str = "default"

    def within(self, namespace: str) -> "Kubectl":
        """Return the same context with another namespace."""
        return replace(self, namespace=namespace)

    def command(self, *words: str) -> list[str]:
        """Return the whole command line, for example to start it in the background."""
        return ["kubectl", "--context", self.context, "--namespace", self.namespace, *words]

    def __call__(self, *words: str, timeout: float = 60, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed.

        A busy API server does not answer every call. One that it did not take is made again a few
        times, and so is one that it did not answer where nothing is changed.
        """
        again = _NOT_ANSWERED if " ".join(words).startswith(_READS) else NOT_REACHED
        return run(self.command(*words), timeout=timeout, stdin=stdin, again=again)

    def get(self, *words: str, timeout: float = 60) -> Any:
        """Run ``kubectl get ... -o json`` and return the decoded answer."""
        return json.loads(self("get", *words, "-o", "json", timeout=timeout))

    def apply(self, manifest: object, timeout: float = 60) -> str:
        """Apply one manifest (a mapping), on the server's side."""
        return self(
            "apply", "--server-side", "--force-conflicts", "-f", "-",
            stdin=json.dumps(manifest), timeout=timeout,
        )  # fmt: skip

    def secret(self, name: str, key: str) -> str:
        """Return one decoded value of a Secret."""
        template = f"{{{{index .data {json.dumps(key)} | base64decode}}}}"
        return self("get", "secret", name, "-o", f"go-template={template}")
