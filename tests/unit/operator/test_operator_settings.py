"""Settings of the platform's Prometheus: what cannot be used is told at the start, by name."""

import pytest

from taxi_domain.errors import FieldError
from taxi_operator.app import servers_of, webhook_of
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


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("WEBHOOK_URL", {"WEBHOOK_URL": "hooks.example"}),
        ("WEBHOOK_URL", {"WEBHOOK_URL": "https://user:hunter2@hooks.example"}),
        ("WEBHOOK_URL", {"WEBHOOK_URL": "https://hooks.example/taxi"}),
        ("CLUSTER_NAME", {"CLUSTER_NAME": "x" * 101}),
        ("MAX_RUNS", {"MAX_RUNS": "0"}),
        ("MAX_RUNS", {"MAX_RUNS": "101"}),
    ],
)
def test_setting_of_webhook_and_queue_that_cannot_be_used_is_named(
    name: str, given: dict[str, str]
) -> None:
    with pytest.raises(FieldError) as refusal:
        read(Settings, NEEDED | {f"TAXI_OPERATOR_{one}": text for one, text in given.items()})

    assert refusal.value.field == f"TAXI_OPERATOR_{name}"
    assert "hunter2" not in str(refusal.value)


def test_without_an_address_nobody_is_told() -> None:
    assert webhook_of(read(Settings, NEEDED), lambda: 0.0) is None
