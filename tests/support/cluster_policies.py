"""DriftPolicies of a release that tests break, and what became of them."""

from typing import Any

from taxi_domain.kube import ACTIVE, GROUP, VERSION
from taxi_stories import parts
from taxi_stories.release import Release


def policy(
    release: Release, name: str, signal: dict[str, Any], rules: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """Return a policy of one signal that is evaluated every two seconds.

    Args:
        release: Whose champion and Service it acts on.
        name: Its name.
        signal: As in `spec.signals`.
        rules: As in `spec.rules`.
        more: The rest of `spec`.
    """
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "DriftPolicy",
        "metadata": {"name": name, "namespace": release.kubectl.namespace},
        "spec": {
            "target": {"deploymentName": "taxi-predictor", "activeServiceName": "taxi-predict"},
            "prometheus": {"url": "http://prometheus-operated.monitoring:9090"},
            "evaluation": {"intervalSeconds": 2},
            "signals": [signal],
            "rules": rules,
            **more,
        },
    }


#: A signal that is breached at once and for ever.
ALWAYS = {
    "name": "always",
    "promql": "vector(1)",
    "enter": {"op": "GreaterOrEqual", "value": "0.5", "for": "0s"},
    "exit": {"op": "Less", "value": "0.4", "for": "0s"},
}


def falling_back(release: Release, name: str, signal: dict[str, Any]) -> dict[str, Any]:
    """Return a policy that moves the traffic when its signal is breached, and back."""
    return policy(
        release, name, signal, {"fallback": {"anyOf": [{"allOf": [signal["name"]]}]}},
        fallback={"deploymentName": "taxi-fallback", "minDwell": "1s"},
    )  # fmt: skip


def retraining(release: Release, name: str, **more: Any) -> dict[str, Any]:
    """Return a policy that retrains, and not again soon.

    Runs of the model that other policies had count too: behind one it waits as long.
    """
    return policy(
        release, name, ALWAYS, {"retrain": {"anyOf": [{"allOf": [ALWAYS["name"]]}]}},
        retrain={
            "jobFrom": {"cronJobName": "taxi-train"},
            "pauseAfter": {"success": "30s", "failure": "30s"},
            "maxPerDay": 100,
        },
        **more,
    )  # fmt: skip


def status_of(release: Release, name: str) -> dict[str, Any]:
    """Return the status of a policy, empty before the first one."""
    found: dict[str, Any] = release.kubectl.get("driftpolicy", name).get("status") or {}
    return found


def condition_of(release: Release, name: str, kind: str) -> dict[str, Any]:
    """Return a condition of a policy, empty when it is not there."""
    conditions = status_of(release, name).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def traffic_of(release: Release) -> str:
    """Return the component that the active Service selects."""
    name, _ = parts.service(release.kubectl, release.name, ACTIVE)
    service = release.kubectl.get("service", name)
    return str((service["spec"].get("selector") or {}).get("app.kubernetes.io/component"))


def events_of(release: Release, name: str) -> set[str]:
    """Return the reasons of a policy's Events."""
    selector = f"involvedObject.kind=DriftPolicy,involvedObject.name={name}"
    found = release.kubectl.get("events", "--field-selector", selector)["items"]
    return {str(one["reason"]) for one in found}


def delete_policy(release: Release, name: str) -> None:
    """Delete a policy; its traffic is given back soon after."""
    release.kubectl("delete", "driftpolicy", name, "--timeout=300s", timeout=320)
