"""DriftPolicies at the real API server: examples are served, bad ones are refused with reasons."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from taxi_stories.kubectl import CommandError
from taxi_stories.release import Release
from taxi_stories.story import EXAMPLES

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_accepted(path: Path, installed: Release) -> None:
    installed.kubectl("apply", "--dry-run=server", "-f", str(path))


def production() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / "production.yaml").read_text())
    return found


def refuse(installed: Release, manifest: dict[str, Any]) -> str:
    with pytest.raises(CommandError) as refusal:
        installed.kubectl("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(manifest))
    return refusal.value.output


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("mode",), "Sometimes", "spec.mode"),
        (("signals", 0, "enter", "value"), "high", "enter.value"),
        (("signals", 0, "enter", "for"), "30 days", "enter.for"),
        (("signals", 0, "exit", "value"), "2", "healthy side"),
        (("rules", "retrain", "anyOf"), [{"allOf": ["nothing"]}], "spec.signals does not have"),
        (("retrain",), None, "needs spec.retrain"),
        (("target",), None, "spec.target"),
        (("intervall",), 3, "intervall"),
        (("gate", "champion", "confidence"), "95", "confidence"),
    ],
)
def test_bad_policy_is_refused_with_the_field(
    installed: Release, path: tuple[Any, ...], value: object, text: str
) -> None:
    manifest = production()
    part = manifest["spec"]
    for name in path[:-1]:
        part = part[name]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = value

    assert text in refuse(installed, manifest)
