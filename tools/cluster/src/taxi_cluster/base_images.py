"""Debian images made on this machine, where no registry can be reached."""

import shutil
from pathlib import Path

from taxi_cluster import debian, images
from taxi_cluster.cache import cache_folder, key_of
from taxi_cluster.commands import last_line, log_path, run, run_logged
from taxi_cluster.progress import step

#: Of the cluster's nodes: their containerd is Debian 12's.
NODE_SUITE = "bookworm"
#: Of the project's images.
SUITE = "trixie"
_ADMINISTRATORS_CERTIFICATES = Path("/usr/local/share/ca-certificates")
#: Certificates that the host's administrator added are needed where a proxy opens TLS.
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_RECIPE = "1"


def debian_image(suite: str = NODE_SUITE) -> str:
    """Make the Debian base image of a suite if it is not there, and return its name."""
    image = f"taxi-local/debian:{suite}-{key_of(_RECIPE)}"
    if images.exists(image):
        return image
    debian.need("debootstrap", "debootstrap")
    root = cache_folder() / "debootstrap"
    # One that was cut off may have left /proc mounted in there.
    debian.unmount_below(root)
    shutil.rmtree(root, ignore_errors=True)
    log = log_path("debootstrap")
    with step(f"Debian {suite} base system", lambda: last_line(log)):
        run_logged(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates", suite, root,
             debian.mirror(suite)],
            "debootstrap", timeout=1200,
        )  # fmt: skip
        for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(root / folder, ignore_errors=True)
            (root / folder).mkdir(parents=True)
        run(
            ["bash", "-c", f"set -o pipefail; tar -C '{root}' -c . | docker import - {image}"],
            timeout=300,
        )
        shutil.rmtree(root)
    return image


def build_image() -> str:
    """Make the base of the project's builds if it is not there, and return its name.

    It is Debian 13 with the host administrator's certificates; the images themselves are made of
    packages, by their Dockerfiles.
    """
    base = debian_image(SUITE)
    certificates = _administrators_certificates()
    key = key_of(base, _RECIPE, *(path.read_bytes() for path in certificates))
    image = f"taxi-local/debian-build:{SUITE}-{key}"
    if images.exists(image):
        return image
    with images.build_folder() as folder:
        (folder / "certificates").mkdir()
        (folder / "certificates" / ".keep").touch()
        for path in certificates:
            shutil.copy(path, folder / "certificates" / path.name)
        (folder / "Dockerfile").write_text(
            f"FROM {base}\n"
            "COPY certificates/ /usr/local/share/ca-certificates/\n"
            "RUN update-ca-certificates\n"
            f"ENV PIP_CERT={_CERTIFICATES} SSL_CERT_FILE={_CERTIFICATES}\n"
        )
        images.build(image, folder)
    return image


def _administrators_certificates() -> list[Path]:
    if not _ADMINISTRATORS_CERTIFICATES.is_dir():
        return []
    return sorted(_ADMINISTRATORS_CERTIFICATES.rglob("*.crt"))
