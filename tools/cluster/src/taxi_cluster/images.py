"""Making container images, and asking the engine for them."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from taxi_cluster.cache import cache_folder
from taxi_cluster.commands import run, run_logged, works
from taxi_cluster.progress import step


def exists(image: str) -> bool:
    """Tell whether the engine has an image."""
    return works(["docker", "image", "inspect", image])


def build(
    image: str,
    context: Path,
    dockerfile: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    *,
    timeout: float = 1800,
) -> None:
    """Build an image from a folder; the log is kept.

    Raises:
        ClusterError: with the end of the log.
    """
    command: list[str | Path] = ["docker", "build", "--tag", image]
    command += ["--file", dockerfile or context / "Dockerfile"]
    for name, value in (arguments or {}).items():
        command += ["--build-arg", f"{name}={value}"]
    name = image.replace("/", "-").replace(":", "-")
    with step(f"building image {image}"):
        run_logged(
            [*command, context], f"image-{name}", timeout=timeout, env={"DOCKER_BUILDKIT": "0"}
        )


def tag(image: str, *names: str) -> None:
    """Give an image more names."""
    for name in names:
        run(["docker", "tag", image, name])


@contextmanager
def build_folder() -> Iterator[Path]:
    """Return a scratch folder for a build context, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache_folder()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def from_binary(image: str, binary: Path, path_in_image: str = "/usr/local/bin") -> None:
    """Make an image that holds one static binary and starts it."""
    if exists(image):
        return
    with build_folder() as folder:
        shutil.copy2(binary, folder / binary.name)
        (folder / "Dockerfile").write_text(
            f"FROM scratch\nCOPY {binary.name} {path_in_image}/{binary.name}\n"
            f'ENV PATH={path_in_image}\nENTRYPOINT ["{path_in_image}/{binary.name}"]\n'
        )
        build(image, folder)
