"""An active Service belongs to the Deployments that its policy names, or nothing is decided."""

import pytest

from taxi_operator.core.decisions import Traffic
from taxi_operator.core.services import (
    DEPLOYMENT_ANNOTATIONS,
    TargetMissingError,
    require_deployments,
)


def service(**deployments: str) -> dict[str, object]:
    names = {DEPLOYMENT_ANNOTATIONS[Traffic(one)]: name for one, name in deployments.items()}
    return {"metadata": {"name": "active", "annotations": names}}


def test_deployments_that_are_named_on_both_sides_are_right() -> None:
    both = service(Champion="one", Fallback="two")

    require_deployments(both, "one", "two")
    require_deployments(both, "one", None)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (service(Champion="other", Fallback="two"), "its Champion's Deployment is other by its"),
        (service(Champion="one", Fallback="other"), "its Fallback's Deployment is other by its"),
        (service(Champion="one"), "its Fallback's Deployment is None by its annotation"),
        ({"metadata": {"name": "active"}}, "Service active: its Champion's Deployment is None"),
    ],
)
def test_others_are_named(found: dict[str, object], message: str) -> None:
    with pytest.raises(TargetMissingError, match=message):
        require_deployments(found, "one", "two")
