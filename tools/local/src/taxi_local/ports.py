"""Loopback ports for the servers of tests, also of tests that run at the same time."""

import errno
import itertools
import os
import random
import socket

#: Below the kernel's range for outgoing connections (32768 to 60999 on Linux): none of these may
#: take a port between the moment it is found free and the moment a server listens.
_FIRST, _LAST = 12_000, 32_000
#: pytest-xdist calls its workers gw0, gw1 ...: each has ports of its own.
_WORKERS = 8
_EACH = (_LAST - _FIRST) // _WORKERS


def _candidates() -> "itertools.cycle[int]":
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    first = _FIRST + worker * _EACH
    ports = list(range(first, first + _EACH))
    # two runs on one machine do not go through them in the same order
    random.SystemRandom().shuffle(ports)
    return itertools.cycle(ports)


_PORTS = _candidates()


def free_port() -> int:
    """Return a loopback port that nobody listens on and that was not given out just before."""
    for port in itertools.islice(_PORTS, _EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
    raise RuntimeError(f"ports: {_FIRST} to {_LAST} are all taken; end what listens there")
