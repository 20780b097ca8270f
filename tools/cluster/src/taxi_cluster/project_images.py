"""The project's own images: built when their content changed, and brought to the cluster."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from taxi_cluster import images
from taxi_cluster.base_images import python_image
from taxi_cluster.cache import cache_folder, key_of, key_of_files, repository
from taxi_cluster.commands import run, run_logged
from taxi_cluster.errors import ClusterError
from taxi_cluster.mode import Settings, Source, Target
from taxi_cluster.mongod import wheel
from taxi_cluster.node_loading import load as load_into_nodes
from taxi_cluster.progress import say, step

PREFIX = "taxi-monitoring"
#: The official image, used where a registry can be reached.
MONGO_IMAGE = "mongo:7.0"


@dataclass(frozen=True)
class ProjectImage:
    """One image: its name, its Dockerfile and the paths that it is made of."""

    name: str
    dockerfile: str
    inputs: tuple[str, ...]


_LIBS = ("libs/domain", "libs/store")
IMAGES = (
    ProjectImage("predict", "services/predict/Dockerfile", (*_LIBS, "services/predict")),
    ProjectImage(
        "monitor", "services/monitor/Dockerfile", (*_LIBS, "libs/profiles", "services/monitor")
    ),
    ProjectImage("train", "jobs/train/Dockerfile", (*_LIBS, "libs/profiles", "jobs/train")),
    ProjectImage("operator", "operator/Dockerfile", (*_LIBS, "operator")),
)


def ensure(settings: Settings, source: Source) -> dict[str, object]:
    """Build the images whose content changed; return the chart values that name them."""
    python = python_image() if source is Source.LOCAL else None
    values: dict[str, object] = {}
    for image in IMAGES:
        tag = _tag(image, python)
        name = f"{PREFIX}/{image.name}:{tag}"
        if not images.exists(name):
            arguments = {"PYTHON_IMAGE": python} if python else {}
            images.build(name, repository(), repository() / image.dockerfile, arguments)
        values[image.name] = _reference(settings, f"{PREFIX}/{image.name}", tag)
    values["mongodb"] = _mongodb(settings, source)
    return {"images": values}


def deliver(settings: Settings, values: dict[str, object]) -> None:
    """Load the images into the cluster's nodes, or push them to the registry."""
    named = values["images"]
    if not isinstance(named, dict):
        raise ClusterError("the values file names no images; run `make images`")
    names = [
        f"{one['repository']}:{one['tag']}"
        for one in named.values()
        if str(one["repository"]).split("/")[-2:][0] == PREFIX
    ]
    if settings.target is Target.KIND:
        load_into_nodes(names)
    elif settings.target is Target.MINIKUBE:
        for name in names:
            with step(f"loading {name} into minikube"):
                run_logged(["minikube", "image", "load", name], "minikube-load", timeout=600)
    else:
        for name in names:
            target = f"{settings.image_registry}/{name}"
            images.tag(name, target)
            with step(f"pushing {target}"):
                run_logged(["docker", "push", target], "docker-push", timeout=900)


def write_values(path: Path, values: dict[str, object]) -> None:
    """Write the chart values for helm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n")
    remembered = cache_folder() / "values.json"
    remembered.write_text(path.read_text())
    say(f"image tags: {path}")


def read_values() -> dict[str, object]:
    """Read the values of the last build."""
    path = cache_folder() / "values.json"
    if not path.exists():
        raise ClusterError("no images were built yet; run `make images`")
    found: dict[str, object] = json.loads(path.read_text())
    return found


def _reference(settings: Settings, name: str, tag: str) -> dict[str, str]:
    registry = settings.image_registry if settings.target is Target.EXISTING else ""
    return {"registry": registry, "repository": name, "tag": tag}


def _tag(image: ProjectImage, python: str | None) -> str:
    root = repository()
    inputs = [image.dockerfile, f"requirements/{image.name}.txt", "requirements/build.txt"]
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *image.inputs, *inputs],
        cwd=root, capture_output=True, text=True, timeout=30, check=True,
    ).stdout  # fmt: skip
    paths = [root / line for line in listed.splitlines() if (root / line).is_file()]
    if not paths:
        raise ClusterError(f"image {image.name}: none of {image.inputs} exist")
    return key_of(key_of_files(paths, root), python or "registry")


def _mongodb(settings: Settings, source: Source) -> dict[str, str]:
    """Return the MongoDB image: the official one, or one around the real mongod of a wheel."""
    if source is Source.REGISTRY:
        name, tag = MONGO_IMAGE.split(":")
        if settings.target is Target.KIND:
            return {"registry": "docker.io", "repository": f"library/{name}", "tag": tag}
        return {"registry": "docker.io", "repository": name, "tag": tag}
    python = python_image()
    archive = wheel()
    dockerfile = repository() / "images" / "mongodb" / "Dockerfile"
    tag = key_of(python, archive.name, dockerfile.read_bytes())
    name = f"{PREFIX}/mongodb"
    if not images.exists(f"{name}:{tag}"):
        with images.build_folder() as folder:
            (folder / archive.name).write_bytes(archive.read_bytes())
            images.build(f"{name}:{tag}", folder, dockerfile, {"BASE_IMAGE": python})
    return {"registry": "", "repository": name, "tag": tag}


def used_space() -> str:
    """Return what the images take, for `status`."""
    return run(["docker", "system", "df", "--format", "{{.Type}} {{.Size}}"]).strip()
