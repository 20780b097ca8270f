"""The project's own images: built when their content changed, and brought to the cluster."""

import json
import os
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from taxi_cluster import debian, images
from taxi_cluster.base_images import SUITE, build_image
from taxi_cluster.cache import cache_folder, key_of, key_of_files, repository
from taxi_cluster.commands import run_logged
from taxi_cluster.errors import ClusterError
from taxi_cluster.image_labels import labels_of
from taxi_cluster.mongod import unpacked
from taxi_cluster.node_loading import load as load_into_nodes
from taxi_cluster.progress import step
from taxi_cluster.settings import Settings, Source, Target

PREFIX = "taxi-monitoring"
#: The official image, used where a registry can be reached.
MONGO_IMAGE = "mongo:8.0"


@dataclass(frozen=True)
class ProjectImage:
    """The image of one part, and the folder of the part's source."""

    name: str
    source: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths that the image is made of."""
        libraries: set[str] = set()
        sources = (self.source, *self._folders("beside"))
        for source in sources:
            _libraries_of(source, libraries)
        return (
            *(f"libs/{name}" for name in sorted(libraries)), *sources, *self._folders("data"),
            *_RECIPE, f"requirements/{self.name}.txt", "requirements/build.txt",
        )  # fmt: skip

    def _folders(self, key: str) -> list[str]:
        project = tomllib.loads((repository() / self.source / "pyproject.toml").read_text())
        folders: list[str] = project["tool"]["taxi"]["image"].get(key, [])
        return folders


#: How any part's image is made.
_DOCKERFILE = "images/part/Dockerfile"
_RECIPE = tuple(
    f"images/part/{name}"
    for name in (
        "Dockerfile", "system.sh", "build.py", "inspection.py", "bill.py", "licences.py",
    )
)  # fmt: skip
#: Kept out of the build context by .dockerignore, or left behind by tools.
_NOT_IN_IMAGES = {"tests", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
IMAGES = (
    ProjectImage("predict", "services/predict"),
    ProjectImage("monitor", "services/monitor"),
    ProjectImage("train", "jobs/train"),
    ProjectImage("report", "jobs/report"),
    ProjectImage("operator", "operator"),
)


def ensure(settings: Settings, source: Source) -> dict[str, object]:
    """Build the images whose content changed; return the chart values that name them."""
    base = build_image() if source is Source.LOCAL else None
    values: dict[str, object] = {}
    for image in IMAGES:
        tag = _tag(image, base)
        name = f"{PREFIX}/{image.name}:{tag}"
        if not images.exists(name):
            arguments = {"PART": image.name, "SOURCE": image.source}
            if base:
                arguments |= {"DEBIAN_IMAGE": base, "DEBIAN_MIRROR": debian.mirror(SUITE)}
            images.build(
                name, repository(), repository() / _DOCKERFILE, arguments,
                labels=labels_of(repository(), base, repository() / _DOCKERFILE),
            )  # fmt: skip
        values[image.name] = _reference(settings, f"{PREFIX}/{image.name}", tag)
    values["mongodb"] = _mongodb(settings, source)
    named: dict[str, object] = {"images": values}
    write_values(_remembered(), named)
    return named


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
    if gone := [name for name in names if not images.exists(name)]:
        raise ClusterError(f"the engine has no {', '.join(gone)}; run `make images`")
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
                _push(target)


def _push(target: str) -> None:
    try:
        run_logged(["docker", "push", target], "docker-push", timeout=900)
    except ClusterError as error:
        raise ClusterError(
            f"{error}\n{target}: its registry has to answer and to let you push; see "
            "IMAGE_REGISTRY, and `docker login`"
        ) from error


def write_values(path: Path, values: dict[str, object]) -> None:
    """Write the chart values for helm, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(values, indent=2) + "\n")
    temporary.rename(path)


def read_values() -> dict[str, object]:
    """Read the values of the last build."""
    if not _remembered().exists():
        raise ClusterError("no images were built yet; run `make images`")
    found: dict[str, object] = json.loads(_remembered().read_text())
    return found


def _remembered() -> Path:
    return cache_folder() / "values.json"


def _reference(settings: Settings, name: str, tag: str) -> dict[str, str]:
    registry = settings.image_registry if settings.target is Target.EXISTING else ""
    return {"registry": registry, "repository": name, "tag": tag}


def _tag(image: ProjectImage, base: str | None) -> str:
    root = repository()
    paths = [path for given in image.inputs for path in content_of(root / given)]
    return key_of(key_of_files(paths, root), base or "registry")


def _libraries_of(folder: str, known: set[str]) -> set[str]:
    """Return the project's libraries that a distribution needs, directly or not."""
    project = tomllib.loads((repository() / folder / "pyproject.toml").read_text())["project"]
    for dependency in project["dependencies"]:
        match = re.match(r"taxi-(\w+)", dependency)
        if match and match[1] not in known:
            known.add(match[1])
            _libraries_of(f"libs/{match[1]}", known)
    return known


def content_of(path: Path) -> list[Path]:
    """Return the files that an image is made of: as .dockerignore, without tests and caches."""
    if path.is_file():
        return [path]
    return [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file()
        and file.suffix != ".pyc"
        and not _NOT_IN_IMAGES.intersection(file.relative_to(path).parts)
        and not any(part.endswith(".egg-info") for part in file.parts)
    ]


def _mongodb(settings: Settings, source: Source) -> dict[str, str]:
    """Return the MongoDB image: the official one, or one around the real mongod of a wheel."""
    if source is Source.REGISTRY:
        name, tag = MONGO_IMAGE.split(":")
        if settings.target is Target.KIND:
            return {"registry": "docker.io", "repository": f"library/{name}", "tag": tag}
        return {"registry": "docker.io", "repository": name, "tag": tag}
    base = build_image()
    program = unpacked()
    dockerfile = repository() / "images" / "mongodb" / "Dockerfile"
    tag = key_of(base, program.name, dockerfile.read_bytes())
    name = f"{PREFIX}/mongodb"
    if not images.exists(f"{name}:{tag}"):
        with images.build_folder() as folder:
            shutil.copy2(program, folder / "mongod")
            images.build(
                f"{name}:{tag}", folder, dockerfile, {"BASE_IMAGE": base},
                labels=labels_of(repository(), base, dockerfile),
            )  # fmt: skip
    return _reference(settings, name, tag)
