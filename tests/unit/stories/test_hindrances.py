"""What keeps a pod from starting is said with its remedy."""

from typing import Any

import pytest

from taxi_stories.release import hindrance

FULL = {
    "conditions": [
        {
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient memory.",
        }
    ]
}  # fmt: skip


def waiting(reason: str) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": "dial tcp: i/o timeout"}}
    return {"containerStatuses": [{"image": "registry.example/predict:1", "state": state}]}


@pytest.mark.parametrize(
    ("status", "named"),
    [
        (FULL, ["finds no node", "3 Insufficient memory", "lower `resources`"]),
        (waiting("ImagePullBackOff"), ["registry.example/predict:1", "i/o timeout", "make load"]),
        (waiting("ErrImagePull"), ["cannot be had"]),
    ],
)
def test_hindrance_names_the_pod_and_the_remedy(status: dict[str, Any], named: list[str]) -> None:
    text = hindrance({"metadata": {"name": "taxi-predictor-1"}, "status": status}) or ""

    assert "pod taxi-predictor-1" in text
    assert all(word in text for word in named)


@pytest.mark.parametrize("status", [{}, waiting("ContainerCreating"), waiting("PodInitializing")])
def test_pod_that_starts_is_hindered_by_nothing(status: dict[str, Any]) -> None:
    assert hindrance({"metadata": {"name": "taxi-predictor-1"}, "status": status}) is None
