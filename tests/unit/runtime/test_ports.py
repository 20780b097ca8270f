"""A request is answered by the port that it came in by, whatever it says of itself."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import Field, ValidationInfo, field_validator

from taxi_domain.errors import FieldError
from taxi_runtime.bodies import Environ
from taxi_runtime.ports import Ports, bound_to, differ
from taxi_runtime.settings import Environment, read


def api(_environ: Environ, _start: Any) -> Iterable[bytes]:
    return [b"api"]


def probes(_environ: Environ, _start: Any) -> Iterable[bytes]:
    return [b"probes"]


@pytest.mark.parametrize(("port", "answer"), [("8085", b"api"), ("8086", b"probes")])
def test_the_port_decides(port: str, answer: bytes) -> None:
    other = {"8085": "8086", "8086": "8085"}[port]
    environ = {"SERVER_PORT": port, "HTTP_HOST": f"monitor:{other}", "PATH_INFO": "/metrics"}

    assert Ports(api, probes, 8086)(environ, None) == [answer]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("0.0.0.0", ["0.0.0.0:8085", "0.0.0.0:8086"]),
        ("::", ["[::]:8085", "[::]:8086"]),
        ("localhost", ["localhost:8085", "localhost:8086"]),
    ],
)
def test_addresses_are_gunicorns(host: str, expected: list[str]) -> None:
    assert bound_to(host, 8085, 8086) == expected


class TwoPorts(Environment):
    port: int = Field(default=1, alias="X_PORT")
    metrics_port: int = Field(default=2, alias="X_METRICS_PORT")

    @field_validator("metrics_port")
    @classmethod
    def _ports_differ(cls, value: int, info: ValidationInfo) -> int:
        return differ(value, info.data.get("port"))


def test_one_port_for_both_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_METRICS_PORT", "1")

    with pytest.raises(FieldError, match="X_METRICS_PORT: is the port of the API; give another"):
        read(TwoPorts)
