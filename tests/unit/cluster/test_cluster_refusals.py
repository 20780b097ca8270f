"""Refusals name the thing and the remedy."""

import sys
from pathlib import Path

import pytest

from taxi_cluster import go_tools
from taxi_cluster.__main__ import main
from taxi_cluster.commands import run, run_logged
from taxi_cluster.debian import mirror_among, mounts_below
from taxi_cluster.errors import ClusterError
from taxi_cluster.go_compiler import new_enough
from taxi_cluster.kind_failures import remedy
from taxi_cluster.preflight import NEW_NODES, Room, check, free_room
from taxi_cluster.project_images import deliver, read_values, write_values
from taxi_cluster.settings import read_settings


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("free", "named"),
    [(Room(disk=3, memory=16), "disk: 3 GB free"), (Room(disk=99, memory=0.5), "memory: 0.5 GB")],
)
def test_too_little_room_is_refused_before_anything_is_made(free: Room, named: str) -> None:
    with pytest.raises(ClusterError, match=named):
        check(free, NEW_NODES, Path("/cache"))


def test_enough_room_is_enough(tmp_path: Path) -> None:
    check(Room(disk=99, memory=16), NEW_NODES, tmp_path)

    assert free_room(tmp_path).disk > 0
    assert free_room(tmp_path).memory > 0


@pytest.mark.parametrize(
    ("log", "named"),
    [
        (
            "docker: Error response from daemon: driver failed programming external connectivity "
            "on endpoint taxi-control-plane: Bind for 127.0.0.1:30080 failed: port is already "
            "allocated.",
            "port 30080 is in use",
        ),
        (
            "Error starting userland proxy: listen tcp4 0.0.0.0:6443: bind: address already in use",
            "port 6443 is in use",
        ),
        ("write /var/lib/docker/x: no space left on device", "the disk is full"),
        ("Failed to create inotify object: Too many open files", "max_user_instances"),
        (
            'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on '
            "10.0.0.2:53: no such host",
            "a registry does not answer",
        ),
        (
            'failed to resolve reference "docker.io/kindest/node:v1": Head "https://'
            'registry-1.docker.io/v2/kindest/node/manifests/v1": dial tcp 1.2.3.4:443: i/o timeout',
            "TAXI_REGISTRY=none",
        ),
        ("unable to apply caps: operation not permitted", "privileges"),
        ("something new", None),
    ],
)
def test_known_failures_of_kind_come_with_a_remedy(log: str, named: str | None) -> None:
    text = remedy(log)

    assert text is None if named is None else named in str(text)


def test_port_of_the_remedy_is_one_that_can_be_looked_for() -> None:
    text = remedy("Bind for 0.0.0.0:30080 failed: port is already allocated")

    assert "sport = :30080" in str(text)


def test_security_and_vendor_repositories_are_no_mirror() -> None:
    targets = (
        "Packages|bookworm-security|http://mirror/debian-security/\n"
        "Packages|vendor|http://vendor/linux/\n"
        "DEP-11|bookworm|http://wrong/\n"
        "Packages|bookworm|http://mirror/debian/\n"
    )

    assert mirror_among(targets, "bookworm") == "http://mirror/debian/"
    assert mirror_among(targets, "trixie") is None
    assert mirror_among("", "bookworm") is None


def test_inner_mounts_come_first_and_strangers_never() -> None:
    mounts = (
        "22 1 0:20 / /proc rw - proc proc rw\n"
        "90 1 0:20 / /cache/root/proc rw - proc proc rw\n"
        "91 1 0:20 / /cache/root/proc/sys/fs rw - x x rw\n"
        "92 1 0:20 / /cache/root2/proc rw - proc proc rw\n"
        "93 1 0:20 / /cache/root/with\\040space rw - proc proc rw\n"
    )

    assert mounts_below(mounts, Path("/cache/root")) == [
        "/cache/root/with space", "/cache/root/proc/sys/fs", "/cache/root/proc"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "good"),
    [("go1.19.8", False), ("go1.25.0", True), ("go1.26.8 X:x", True), ("go2.0", True), ("", False),
     ("devel", False)],
)  # fmt: skip
def test_old_compilers_are_not_used(printed: str, good: bool) -> None:
    assert new_enough(printed) is good


def test_program_that_is_missing_is_named() -> None:
    with pytest.raises(ClusterError, match="no-such-program is not installed"):
        run(["no-such-program"])


def test_failure_shows_the_end_of_the_output() -> None:
    with pytest.raises(ClusterError, match="exit code 3\nlast words"):
        run([sys.executable, "-c", "print('last words'); raise SystemExit(3)"])


def test_command_that_hangs_is_ended() -> None:
    with pytest.raises(ClusterError, match="no end after"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)


def test_long_command_names_its_log(own_cache: Path) -> None:
    with pytest.raises(ClusterError, match=r"logs/step\.log\nwhy") as caught:
        run_logged([sys.executable, "-c", "print('why'); exit(1)"], "step", timeout=20)

    assert str(own_cache) in str(caught.value)


def test_loading_before_building_names_the_verb(own_cache: Path) -> None:
    with pytest.raises(ClusterError, match="make images"):
        read_values()


def test_values_are_read_as_they_were_written(own_cache: Path) -> None:
    values: dict[str, object] = {"images": {"predict": {"repository": "a", "tag": "1"}}}
    write_values(own_cache / "taxi-monitoring" / "values.json", values)

    assert read_values() == values
    assert [path.name for path in (own_cache / "taxi-monitoring").iterdir()] == ["values.json"]


def test_values_without_images_are_refused() -> None:
    with pytest.raises(ClusterError, match="names no images"):
        deliver(read_settings({}), {"images": None})


def test_registry_that_takes_no_image_is_named(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = push ] || exit 0\necho i/o timeout; exit 1\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    settings = read_settings({"CLUSTER": "existing", "IMAGE_REGISTRY": "registry.example/taxi"})
    values: dict[str, object] = {"a": {"repository": "taxi-monitoring/predict", "tag": "1"}}

    with pytest.raises(ClusterError, match=r"(?s)i/o timeout.*see IMAGE_REGISTRY") as caught:
        deliver(settings, {"images": values})

    assert "registry.example/taxi/taxi-monitoring/predict:1" in str(caught.value)


def test_unknown_client_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ClusterError, match=r"nano: unknown; choose among kubectl"):
        go_tools.client_folder(["nano"])


def test_every_client_is_a_program_that_is_built() -> None:
    assert set(go_tools.CLIENTS) <= {program.name for program in go_tools.PROGRAMS}


def test_kubelet_is_built_first_because_it_compiles_what_the_others_share() -> None:
    assert go_tools.PROGRAMS[0].name == "kubelet"


def test_usage_error_and_failure_have_their_own_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["taxi_cluster", "fly"])
    with pytest.raises(SystemExit, match="2"):
        main()
    monkeypatch.setenv("CLUSTER", "moon")
    monkeypatch.setattr(sys, "argv", ["taxi_cluster", "up"])

    assert main() == 1
    assert "error: CLUSTER=moon" in capsys.readouterr().err
