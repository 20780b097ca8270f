"""The active Service: which predictor answers. Its selector is the operator's. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.kube import GROUP
from taxi_operator.core.decisions import Traffic

Object = Mapping[str, Any]

ACTIVE_LABEL: Final = f"{GROUP}/active-service"
ACTIVE_SERVICES: Final = f"{ACTIVE_LABEL}=true"
DEPLOYMENT_ANNOTATIONS: Final = {
    Traffic.CHAMPION: f"{GROUP}/champion-deployment",
    Traffic.FALLBACK: f"{GROUP}/fallback-deployment",
}
#: Set on a Service whose traffic stays where it is when its policy is deleted.
RETAINED_ANNOTATION: Final = f"{GROUP}/retained"


class TargetMissingError(TaxiError):
    """A Service or Deployment that a policy needs is not there, or is not what it should be."""


def annotations_of(service: Object) -> Mapping[str, str]:
    """Return the annotations of a Service."""
    return service["metadata"].get("annotations") or {}


def deployment_name(service: Object, traffic: Traffic) -> str | None:
    """Return the Deployment of one of the two, as a Service names it."""
    return annotations_of(service).get(DEPLOYMENT_ANNOTATIONS[traffic])


def is_retained(service: Object) -> bool:
    """Tell whether the traffic of a Service stays when no policy speaks for it any more."""
    return annotations_of(service).get(RETAINED_ANNOTATION) == "true"


def require_deployments(service: Object, champion: str, fallback: str | None) -> None:
    """Check that an active Service belongs to the Deployments that a policy names.

    Raises:
        TargetMissingError: its annotations name others, or none.
    """
    for traffic, name in ((Traffic.CHAMPION, champion), (Traffic.FALLBACK, fallback)):
        actual = deployment_name(service, traffic)
        if name is not None and actual != name:
            raise TargetMissingError(
                f"Service {service['metadata']['name']}: its {traffic}'s Deployment is {actual} by "
                f"its annotation {DEPLOYMENT_ANNOTATIONS[traffic]}, and not {name}"
            )


def selected_of(service: Object, deployments: Mapping[Traffic, Object | None]) -> Traffic | None:
    """Return what a Service selects now, None when it is neither of the two."""
    now = (service.get("spec") or {}).get("selector")
    for one, found in deployments.items():
        if now and found and now == found["spec"]["selector"].get("matchLabels"):
            return one
    return None


def pod_labels(deployment: Object) -> dict[str, str]:
    """Return the labels by which a Service finds the pods of a Deployment.

    Raises:
        TargetMissingError: it has none; a Service has no other selector.
    """
    labels: dict[str, str] | None = deployment["spec"]["selector"].get("matchLabels")
    if not labels:
        name = deployment["metadata"]["name"]
        raise TargetMissingError(f"Deployment {name}: its selector has no matchLabels")
    return labels
