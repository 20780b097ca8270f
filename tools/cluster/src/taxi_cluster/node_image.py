"""kind's node image, made on this machine from Debian packages and our own binaries.

The files of kind's base image are taken from kind's module at build time. The steps
follow that module's images/base/Dockerfile; containerd and runc are Debian's.
"""

import os
import shutil
import time
from pathlib import Path

from taxi_cluster import debian, go_tools, images
from taxi_cluster.base_images import debian_image
from taxi_cluster.cache import key_of, repository
from taxi_cluster.commands import run, works
from taxi_cluster.errors import ClusterError
from taxi_cluster.progress import step

_KIND_MODULE = "sigs.k8s.io/kind"
_STORAGE_MODULE = "github.com/rancher/local-path-provisioner"
_PAUSE = "registry.k8s.io/pause:3.10.1"
_PROVISIONER = "docker.io/rancher/local-path-provisioner:v0.0.30"
_STORAGE_HELPER = "docker.io/taxi-local/storage-helper:v1"
_ROUTES = "docker.io/taxi-local/node-routes:v1"

_PACKAGES = (
    "systemd dbus conntrack iptables nftables iproute2 ethtool util-linux mount kmod libseccomp2 "
    "pigz bash ca-certificates curl jq procps socat containerd runc containernetworking-plugins"
)
_RESOURCES = Path(__file__).parent / "node"


def ensure() -> str:
    """Make the node image if it is not there, and return its name."""
    tools = go_tools.ensure()
    base = debian_image()
    resources = sorted(path for path in _RESOURCES.iterdir() if path.is_file())
    key = key_of(
        go_tools.tools_key(), base, Path(__file__).read_bytes(),
        *(path.read_bytes() for path in resources),
    )  # fmt: skip
    image = f"taxi-local/node:{go_tools.KUBERNETES_VERSION}-{key}"
    if images.exists(image):
        return image
    preloaded = _control_plane_images(tools, base, key)
    bare = f"taxi-local/node-bare:{key}"
    if not images.exists(bare):
        _build_bare(bare, tools, base)
    _preload(bare, image, preloaded)
    return image


def _control_plane_images(tools: Path, base: str, key: str) -> list[str]:
    """Make the images that kubeadm expects, under the names that it expects."""
    names = {
        name.rsplit("/", 1)[1].split(":")[0]: name
        for name in run(
            [tools / "kubeadm", "config", "images", "list",
             "--kubernetes-version", go_tools.KUBERNETES_VERSION]
        ).split()
    }  # fmt: skip
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"):
        images.from_binary(names[name], tools / name)
    # kubeadm asks for the version that Kubernetes ships; ours is a patch release newer.
    images.from_binary(names["coredns"], tools / "coredns")
    images.from_binary(_PROVISIONER, tools / "local-path-provisioner")
    _pause(names["pause"])
    network = f"taxi-local/network:{key}"
    _image(
        network,
        f"FROM {base}\nRUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q "
        "-y --no-install-recommends iptables nftables conntrack kmod iproute2 "
        "&& rm -rf /var/lib/apt/lists/*\n",
    )
    _image(
        names["kube-proxy"],
        f"FROM {network}\nCOPY kube-proxy /usr/local/bin/kube-proxy\n",
        tools / "kube-proxy",
    )
    _image(
        _ROUTES,
        f"FROM {network}\nCOPY kubectl keep-routes /usr/local/bin/\n"
        'ENTRYPOINT ["/usr/local/bin/keep-routes"]\n',
        tools / "kubectl",
        _RESOURCES / "keep-routes",
    )
    images.tag(base, _STORAGE_HELPER)
    return [*names.values(), _PROVISIONER, _STORAGE_HELPER, _ROUTES]


def _image(image: str, dockerfile: str, *files: Path) -> None:
    made_of = key_of(dockerfile, *(path.read_bytes() for path in files))
    if images.is_current(image, made_of):
        return
    with images.build_folder() as folder:
        for path in files:
            shutil.copy2(path, folder / path.name)
            (folder / path.name).chmod(0o755)
        (folder / "Dockerfile").write_text(dockerfile)
        images.build(image, folder, made_of=made_of)


def _pause(image: str) -> None:
    """Compile the pause program of the Kubernetes module, statically."""
    if images.exists(image):
        return
    source = go_tools.module_source("k8s.io/kubernetes") / "build" / "pause" / "linux" / "pause.c"
    with images.build_folder() as folder:
        binary = folder / "pause"
        debian.need("gcc", "gcc", "libc6-dev")
        run(["gcc", "-Os", "-Wall", "-static", "-DVERSION=3.10.1", "-o", binary, source])
        (folder / "Dockerfile").write_text(
            'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n'
        )
        images.build(image, folder)


def _build_bare(image: str, tools: Path, base: str) -> None:
    """Build the node without preloaded images."""
    source = go_tools.module_source(_KIND_MODULE) / "images" / "base" / "files"
    with images.build_folder() as folder:
        # Module files are read-only; the copy must be writable, and its scripts executable.
        shutil.copytree(source, folder / "files", copy_function=shutil.copyfile)
        for path in (folder / "files").rglob("*"):
            executable = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if executable else 0o644)
        for name in ("kubeadm", "kubelet", "kubectl"):
            shutil.copy2(tools / name, folder / name)
        manifests = folder / "manifests"
        manifests.mkdir()
        (manifests / "default-cni.yaml").write_text(
            (_RESOURCES / "node-routes.yaml").read_text().replace("@IMAGE@", _ROUTES)
        )
        (manifests / "default-storage.yaml").write_text(_storage_manifest())
        shutil.copy(_RESOURCES / "cni.conflist.template", folder)
        shutil.copy(_RESOURCES / "containerd.toml", folder)
        (folder / "version").write_text(go_tools.KUBERNETES_VERSION)
        dockerfile = (_RESOURCES / "Dockerfile").read_text()
        (folder / "Dockerfile").write_text(
            dockerfile.replace("@BASE@", base)
            .replace("@PACKAGES@", _PACKAGES)
            .replace("@PAUSE@", _PAUSE)
        )
        images.build(image, folder)


def _storage_manifest() -> str:
    """Return the provisioner's manifest with our images and the class `standard` as default."""
    path = go_tools.module_source(_STORAGE_MODULE) / "deploy" / "local-path-storage.yaml"
    text = path.read_text()
    replaced = {
        "image: rancher/local-path-provisioner:v0.0.30": f"image: {_PROVISIONER}",
        "imagePullPolicy: Always": "imagePullPolicy: IfNotPresent",
        "image: busybox": f"image: {_STORAGE_HELPER}",
        "/opt/local-path-provisioner": "/var/local-path-provisioner",
        "metadata:\n  name: local-path\nprovisioner": (
            "metadata:\n  name: standard\n  annotations:\n"
            '    storageclass.kubernetes.io/is-default-class: "true"\nprovisioner'
        ),
    }
    for old, new in replaced.items():
        if old not in text and old != "imagePullPolicy: Always":
            raise ClusterError(f"{path} is not as expected: it has no {old!r}; see node_image.py")
        text = text.replace(old, new)
    return text


def _preload(bare: str, image: str, names: list[str]) -> None:
    """Import images into the node's containerd and commit the result."""
    container = f"taxi-node-build-{os.getpid()}"
    with step(f"preloading {len(names)} images into the node image"):
        run(
            ["docker", "run", "--detach", "--privileged", "--name", container,
             "--entrypoint", "sleep", bare, "infinity"]
        )  # fmt: skip
        try:
            run(["docker", "exec", "--detach", container, "containerd"])
            _wait_for_containerd(container)
            run(
                ["bash", "-c",
                 f"set -o pipefail; docker save {' '.join(names)} | docker exec -i {container} "
                 "ctr -n k8s.io images import --no-unpack -"],
                timeout=600,
            )  # fmt: skip
            run(["docker", "exec", container, "pkill", "-TERM", "containerd"])
            time.sleep(1)
            run(["docker", "exec", container, "rm", "-rf", "/run/containerd"])
            run(
                ["docker", "commit",
                 "--change", 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]',
                 "--change", "CMD []", container, image],
                timeout=300,
            )  # fmt: skip
        finally:
            run(["docker", "rm", "--force", container])


def _wait_for_containerd(container: str) -> None:
    for _ in range(60):
        if works(["docker", "exec", container, "ctr", "version"]):
            return
        time.sleep(0.5)
    raise ClusterError(f"containerd did not start in {container}; repeat the command")


def kind_configuration() -> Path:
    """Return the cluster's configuration, the same with and without a registry."""
    return repository() / "k8s" / "kind-config.yaml"


def configured_nodes() -> int:
    """Return how many nodes the configuration has."""
    return count_nodes(kind_configuration().read_text())


def count_nodes(configuration: str) -> int:
    r"""Count the nodes of a kind configuration; comments do not count.

    >>> count_nodes("nodes:\n- role: worker\n# - role: worker\n")
    1
    """
    lines = (line.strip() for line in configuration.splitlines())
    return sum(line.startswith("- role:") for line in lines) or 1
