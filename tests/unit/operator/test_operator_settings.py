"""Settings of the platform's Prometheus: what cannot be used is told at the start, by name."""

import pytest

from taxi_domain.errors import FieldError
from taxi_operator.app import servers_of
from taxi_operator.settings import Settings
from taxi_runtime.settings import read

NEEDED = {"TAXI_OPERATOR_NAMESPACE": "ns", "TAXI_MONGODB_URI": "mongodb://m/taxi"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "prometheus:9090"),
        ("URL", "http://user:hunter2@prometheus:9090"),
        ("URL", "http://a http://b"),
        ("ALLOWED", "http://a,http://b"),
        ("ALLOWED", "http://*.example"),
        ("TIMEOUT", "31"),
        ("TENANT", "a\nb"),
        ("TENANT_HEADER", "X: hunter2"),
    ],
)
def test_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    variable = f"TAXI_OPERATOR_PROMETHEUS_{name}"

    with pytest.raises(FieldError) as refusal:
        read(Settings, {**NEEDED, variable: value})

    assert refusal.value.field == variable
    assert "hunter2" not in str(refusal.value)


def test_operator_without_a_prometheus_starts_and_refuses_policies_that_name_none() -> None:
    servers = servers_of(read(Settings, NEEDED))

    with pytest.raises(FieldError, match=r"operator\.prometheus\.url"):
        servers.of("")
