"""A release whose renders are applied, as GitOps tools do: without a look into the cluster."""

import json
from collections.abc import Mapping

from support.chart import manifests, template
from taxi_domain.kube import COMPONENT_LABEL, INSTANCE_LABEL
from taxi_stories.kubectl import run
from taxi_stories.release import Release

_APPLY_SECONDS = 180


def apply_render(release: Release, pod_annotations: Mapping[str, str]) -> None:
    """Render a release's chart with its own values and these annotations, and apply all of it.

    Raises:
        CommandError: an object was refused, for example a changed Job.
    """
    where = ("--kube-context", release.kubectl.context, "--namespace", release.kubectl.namespace)
    command = [release.helm, "get", "values", release.name, *where, "--output", "json"]
    values = json.loads(run(command, timeout=60))
    # The CRD is of the release that `make up` made.
    values |= {"crds": {"install": False}, "pods": {"podAnnotations": dict(pod_annotations)}}
    found = manifests(template(values, namespace=release.kubectl.namespace, release=release.name))
    # Argo CD leaves out what `helm test` runs.
    kept = [one for one in found if "helm.sh/hook" not in one["metadata"].get("annotations", {})]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": kept})
    release.kubectl("apply", "-f", "-", stdin=text, timeout=_APPLY_SECONDS)


def pod_annotations_of(release: Release, name: str) -> dict[str, str | None]:
    """Return an annotation of the pods that each part is to have, by component."""
    selector = f"{INSTANCE_LABEL}={release.name}"
    found = release.kubectl.get("deployments,statefulsets", "-l", selector)["items"]
    return {
        one["metadata"]["labels"][COMPONENT_LABEL]: (
            one["spec"]["template"]["metadata"].get("annotations", {}).get(name)
        )
        for one in found
    }


def jobs_of(release: Release) -> set[str]:
    """Return the names of the release's Jobs."""
    found = release.kubectl.get("jobs", "-l", f"{INSTANCE_LABEL}={release.name}")["items"]
    return {one["metadata"]["name"] for one in found}


def passwords_of(release: Release) -> dict[str, dict[str, str]]:
    """Return the data of the chart's Secrets, by name."""
    found = release.kubectl.get("secrets")["items"]
    return {one["metadata"]["name"]: one["data"] for one in found if one["type"] == "Opaque"}
