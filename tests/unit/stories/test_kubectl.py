"""kubectl: what the API server did not take is asked again, and nothing else."""

import stat
from pathlib import Path

import pytest

from taxi_stories.kubectl import CommandError, Kubectl

REFUSED = (
    "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host?"
)
SHAKING = "Unable to connect to the server: net/http: TLS handshake timeout"
OPENAPI = (
    'error: error validating "STDIN": error validating data: failed to download openapi: Get '
    '"https://127.0.0.1:6443/openapi/v2?timeout=32s": net/http: TLS handshake timeout; if you'
)
HELM = 'Error: kubernetes cluster unreachable: Get "https://127.0.0.1:6443/version": dial tcp'
LOST = "Unable to connect to the server: http2: client connection lost"
BUSY = "Error from server: etcdserver: request timed out"
MISSING = 'Error from server (NotFound): pods "a" not found'


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that counts the calls of a kubectl whose first ones fail with a text."""
    program = tmp_path / "kubectl"
    program.write_text(f"""#!/bin/sh
echo call >> {tmp_path}/calls
if [ $(wc -l < {tmp_path}/calls) -le 1 ]; then cat {tmp_path}/problem >&2; exit 1; fi
echo "{{}}"
""")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "calls"


def asked(calls: Path, problem: str, *, reads: bool) -> int:
    """Return how often kubectl was called; 0 when it failed at once."""
    calls.with_name("problem").write_text(f"{problem}\n")
    kubectl = Kubectl("context", "ns")
    try:
        if reads:
            assert kubectl.get("pods") == {}
        else:
            assert kubectl("create", "namespace", "ns") == "{}\n"
    except CommandError:
        assert calls.read_text().count("call") == 1
        return 0
    return calls.read_text().count("call")


@pytest.mark.parametrize(
    ("problem", "reads"),
    [
        (REFUSED, True),
        (SHAKING, True),
        (REFUSED, False),
        (SHAKING, False),
        (OPENAPI, False),
        (HELM, False),
    ],
)
def test_a_call_that_reached_no_server_is_made_again(
    calls: Path, problem: str, reads: bool
) -> None:
    assert asked(calls, problem, reads=reads) == 2


@pytest.mark.parametrize("problem", [LOST, BUSY])
def test_a_call_that_was_not_answered_is_made_again_where_it_only_reads(
    calls: Path, problem: str
) -> None:
    assert asked(calls, problem, reads=True) == 2


@pytest.mark.parametrize("problem", [LOST, BUSY, MISSING, f"it printed: {REFUSED}"])
def test_nothing_else_is_done_twice(calls: Path, problem: str) -> None:
    assert asked(calls, problem, reads=False) == 0


def test_what_is_not_there_is_not_asked_for_again(calls: Path) -> None:
    assert asked(calls, MISSING, reads=True) == 0
