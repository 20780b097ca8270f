"""Making container images, and asking the engine for them."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from taxi_cluster.cache import cache_folder, key_of
from taxi_cluster.commands import last_line, log_path, run, run_logged, works
from taxi_cluster.errors import ClusterError
from taxi_cluster.kind_failures import remedy
from taxi_cluster.progress import step

_OURS = "taxi-local/"
_PROJECT = "taxi-monitoring/"
_MADE_OF = "taxi-monitoring.io/made-of"
_BUILD_SECONDS = 1800.0


def exists(image: str) -> bool:
    """Tell whether the engine has an image."""
    return works(["docker", "image", "inspect", image])


def digest(image: str) -> str:
    """Return the digest of an image: a registry's, else that of its content on this machine."""
    return run(
        ["docker", "image", "inspect", "--format",
         "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}", image]
    ).strip().rsplit("@", 1)[-1]  # fmt: skip


def is_current(image: str, made_of: str) -> bool:
    """Tell whether an image is there and needs no build.

    One without our label under an official name was brought by the user: it is taken as it is.
    """
    try:
        label = run(
            ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{_MADE_OF}"}}}}',
             image]
        ).strip()  # fmt: skip
    except ClusterError:
        return False
    brought = label in {"", "<no value>"} and _OURS not in image
    return brought or label == made_of


def build(  # noqa: PLR0913 - one keyword for each option of docker
    image: str,
    context: Path,
    dockerfile: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    *,
    made_of: str = "",
    labels: Mapping[str, str] | None = None,
) -> None:
    """Build an image from a folder; the log is kept.

    Args:
        image: Name and tag.
        context: The folder that is sent to the engine.
        dockerfile: Where it is, if not in the context.
        arguments: Build arguments.
        made_of: Key of the content, for names that do not hold it (see `is_current`).
        labels: More labels.

    Raises:
        ClusterError: with the end of the log and, where it is known, the remedy.
    """
    command: list[str | Path] = ["docker", "build", "--tag", image]
    command += ["--file", dockerfile or context / "Dockerfile"]
    for name, value in (arguments or {}).items():
        command += ["--build-arg", f"{name}={value}"]
    given = {**(labels or {}), **({_MADE_OF: made_of} if made_of else {})}
    for name, value in given.items():
        command += ["--label", f"{name}={value}"]
    name = f"image-{image.replace('/', '-').replace(':', '-')}"
    log = log_path(name)
    with step(f"building image {image}", lambda: last_line(log)):
        # BuildKit needs a plugin that a bare machine lacks; the Dockerfiles suit both.
        try:
            run_logged(
                [*command, context], name, timeout=_BUILD_SECONDS, env={"DOCKER_BUILDKIT": "0"}
            )
        except ClusterError as error:
            what = remedy(log.read_text(errors="replace"))
            raise ClusterError(f"{error}\n{what}" if what else str(error)) from error


def remove_ours() -> None:
    """Remove what we built from an engine that stays: what has our label or our names."""
    names = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    labelled = run([*names, "--filter", f"label={_MADE_OF}"]).split()
    named = [name for name in run(names).split() if name.startswith((_OURS, _PROJECT))]
    ours = sorted({name for name in (*labelled, *named) if "<none>" not in name})
    if ours:
        with step(f"removing {len(ours)} images"):
            run(["docker", "image", "rm", "--force", *ours], timeout=300)


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
    made_of = key_of(binary.read_bytes(), path_in_image)
    if is_current(image, made_of):
        return
    with build_folder() as folder:
        shutil.copy2(binary, folder / binary.name)
        (folder / "Dockerfile").write_text(
            f"FROM scratch\nCOPY {binary.name} {path_in_image}/{binary.name}\n"
            f'ENV PATH={path_in_image}\nENTRYPOINT ["{path_in_image}/{binary.name}"]\n'
        )
        build(image, folder, made_of=made_of)
