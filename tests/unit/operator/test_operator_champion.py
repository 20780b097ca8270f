"""Since when a champion has been ready, or has not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from taxi_operator.core.readiness import Readiness, readiness_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
AT = "2026-01-01T11:50:00Z"
TOLD = NOW - 600


def deployment(
    ready: int, available: str = "", *, replicas: int = 1, most: int | str = "25%"
) -> dict[str, Any]:
    conditions = [{"type": "Progressing", "status": "True", "lastTransitionTime": AT}]
    if available:
        conditions.append({"type": "Available", "status": available, "lastTransitionTime": AT})
    return {
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": most}},
        },
        "status": {"readyReplicas": ready, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("found", "since"),
    [
        (None, NOW),
        (deployment(0, "False"), TOLD),
        (deployment(0, "False", replicas=2, most=1), TOLD),
        # It turned with the first pod that is missing, and the second may be gone just now.
        (deployment(0, "False", replicas=2, most=0), NOW),
        (deployment(0, "False", replicas=8, most="25%"), NOW),
        # With none needed it is always True.
        (deployment(0, "True", replicas=1, most=1), NOW),
        (deployment(1, "True", replicas=1, most="100%"), NOW),
        (deployment(0, "True", replicas=0), NOW),
        (deployment(0), NOW),
        (deployment(1, "True"), TOLD),
        (deployment(2, "True", replicas=2, most=0), TOLD),
        (deployment(1, "False", replicas=2, most=0), NOW),
    ],
)
def test_condition_tells_since_when_where_it_speaks_of_the_last_pod(
    found: dict[str, Any] | None, since: float
) -> None:
    assert readiness_of(found, None, NOW).since == since


def test_first_look_is_remembered_where_no_condition_tells() -> None:
    before = Readiness(0, NOW - 61)

    assert readiness_of(None, before, NOW) == before
    assert readiness_of(None, before, NOW).unavailable(NOW)
    assert readiness_of(deployment(1), before, NOW) == Readiness(1, NOW)
    assert not readiness_of(None, Readiness(1, NOW - 61), NOW).unavailable(NOW)


def test_condition_of_the_future_is_now() -> None:
    assert readiness_of(deployment(0, "False"), None, TOLD - 60).since == TOLD - 60


def test_recreated_pods_are_all_needed() -> None:
    found = deployment(0, "False", replicas=2)
    found["spec"]["strategy"] = {"type": "Recreate"}

    assert readiness_of(found, None, NOW).since == NOW
