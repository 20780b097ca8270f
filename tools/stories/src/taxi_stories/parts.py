"""The parts of a release as the cluster has them: found by label, since values change names."""

from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_domain.kube import COMPONENT_LABEL, INSTANCE_LABEL, MONITOR
from taxi_stories.kubectl import CommandError, Kubectl

_TOKENS: Final = "tokens"
#: Keys of the Secret: the token for labels, or the one for all that older Secrets have.
_LABELS, _ALL = "labels", "token"
_PORT: Final = "http"


class PartError(TaxiError):
    """A part of the release is not there, or not as it has to be."""


def selector(release: str, component: str) -> str:
    """Return the label selector of one part of a release."""
    return f"{INSTANCE_LABEL}={release},{COMPONENT_LABEL}={component}"


def service(kubectl: Kubectl, release: str, component: str) -> tuple[str, int]:
    """Return name and HTTP port of a part's Service.

    Raises:
        PartError: there is none, or it has no such port.
        CommandError: the cluster does not answer.
    """
    found = _only(kubectl, "service", release, component)
    name = str(found["metadata"]["name"])
    for port in found["spec"].get("ports") or []:
        if port.get("name") == _PORT:
            return name, int(port["port"])
    raise PartError(f"Service {name}: has no port named {_PORT}; upgrade the release")


def token(kubectl: Kubectl, release: str) -> str:
    """Return the token for labels, of the Secret that the monitor's pods have.

    Raises:
        PartError: there is no monitor, or its pods have no Secret with tokens.
        CommandError: the cluster does not answer, or has no such Secret.
    """
    found = deployment(kubectl, release, MONITOR)
    for volume in found["spec"]["template"]["spec"].get("volumes") or []:
        if volume["name"] == _TOKENS and "secret" in volume:
            name = str(volume["secret"]["secretName"])
            try:
                # The first line is the one to send.
                return kubectl.secret(name, _LABELS).splitlines()[0].strip()
            except (CommandError, IndexError):
                return kubectl.secret(name, _ALL).splitlines()[0].strip()
    raise PartError(
        f"Deployment {found['metadata']['name']}: has no volume {_TOKENS} of a Secret; "
        "upgrade the release"
    )


def deployment(kubectl: Kubectl, release: str, component: str) -> Mapping[str, Any]:
    """Return a part's Deployment.

    Raises:
        PartError: there is none.
        CommandError: the cluster does not answer.
    """
    return _only(kubectl, "deployment", release, component)


def cron_job(kubectl: Kubectl, release: str, component: str) -> Mapping[str, Any]:
    """Return a part's CronJob.

    Raises:
        PartError: there is none.
        CommandError: the cluster does not answer.
    """
    return _only(kubectl, "cronjob", release, component)


def _only(kubectl: Kubectl, kind: str, release: str, component: str) -> Mapping[str, Any]:
    """Return the only object of a kind that a part has."""
    items: list[Mapping[str, Any]] = kubectl.get(kind, "-l", selector(release, component))["items"]
    if len(items) == 1:
        return items[0]
    where = f"release {release} in namespace {kubectl.namespace}"
    if not items:
        raise PartError(
            f"{kind} of {component}: {where} has none; `helm list --all-namespaces` tells what is "
            "installed where, give it with --release and --namespace"
        )
    names = ", ".join(str(one["metadata"]["name"]) for one in items)
    raise PartError(
        f"{kind} of {component}: {where} has several ({names}); remove what is left over"
    )
