"""Labels of the images: what is known of a build stands in them, and nothing that is not."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from taxi_cluster.cache import repository
from taxi_cluster.errors import ClusterError
from taxi_cluster.image_labels import default_base, labels, labels_of
from taxi_cluster.project_images import IMAGES, ensure
from taxi_cluster.settings import Source, read_settings

PREFIX = "org.opencontainers.image"
#: An engine that has no image of ours, knows a base, and writes down what it is to build.
DOCKER = """#!/bin/sh
case "$1 $3" in
"image --format") echo "taxi-local/base@sha256:00ff" ;;
"image "*) exit 1 ;;
"build "*) shift; printf '%s\\n' "$@" >>"$BUILDS" ;;
esac
"""


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t.example"]
    command += ["-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a chart, which is not under version control."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    chart = tmp_path / "sources/charts/taxi-monitoring/Chart.yaml"
    chart.parent.mkdir(parents=True)
    chart.write_text("name: taxi-monitoring\nversion: 9.9.9\nappVersion: 1.2.3\n")
    return tmp_path / "sources"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that has the words of each build."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("BUILDS", str(tmp_path / "builds"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "builds"


def commit(sources: Path) -> str:
    """Put the sources under version control; return the name of their one commit."""
    git(sources, "init", "--quiet")
    git(sources, "add", ".")
    git(sources, "commit", "--quiet", "--message", "all")
    return git(sources, "rev-parse", "HEAD")


def test_version_revision_source_and_base_are_named(sources: Path) -> None:
    revision = commit(sources)
    git(sources, "remote", "add", "origin", "https://me:secret@git.example/team/taxi.git")

    assert labels(sources, "docker.io/library/debian:x", "sha256:00ff") == {
        f"{PREFIX}.version": "1.2.3",
        f"{PREFIX}.revision": revision,
        f"{PREFIX}.source": "https://git.example/team/taxi.git",
        f"{PREFIX}.base.name": "docker.io/library/debian:x",
        f"{PREFIX}.base.digest": "sha256:00ff",
    }


def test_a_revision_is_a_commit_whatever_its_tags_and_says_what_is_not_in_it(
    sources: Path,
) -> None:
    revision = commit(sources)
    git(sources, "tag", "--annotate", "--message", "one", "v1")
    assert labels(sources, "base", "sha256:00ff")[f"{PREFIX}.revision"] == revision

    (sources / "charts/taxi-monitoring/Chart.yaml").write_text("appVersion: 1.2.4\n")
    assert labels(sources, "base", "sha256:00ff")[f"{PREFIX}.revision"] == f"{revision}-dirty"


def test_what_is_not_known_has_no_label(sources: Path) -> None:
    (sources / "charts/taxi-monitoring/Chart.yaml").write_text("name: taxi-monitoring\n")

    assert labels(sources, "base", "sha256:00ff") == {
        f"{PREFIX}.base.name": "base", f"{PREFIX}.base.digest": "sha256:00ff",
    }  # fmt: skip


def test_the_base_is_this_machines_where_there_is_one(sources: Path, docker: Path) -> None:
    found = labels_of(sources, "taxi-local/base:1", sources / "no-such-file")

    assert found[f"{PREFIX}.base.name"] == "taxi-local/base:1"
    assert found[f"{PREFIX}.base.digest"] == "sha256:00ff"


def test_a_base_without_digest_is_refused() -> None:
    with pytest.raises(ClusterError, match="pin it"):
        default_base("ARG DEBIAN_IMAGE=debian:trixie-slim\n")


def test_every_build_is_given_the_labels(docker: Path) -> None:
    ensure(read_settings({}), Source.REGISTRY)

    builds = docker.read_text().split("--tag\n")[1:]
    chart = yaml.safe_load((repository() / "charts/taxi-monitoring/Chart.yaml").read_text())
    name, digest = default_base((repository() / "images/part/Dockerfile").read_text())
    expected = {"version": str(chart["appVersion"]), "base.name": name, "base.digest": digest}
    assert re.findall(r"^taxi-monitoring/(\w+):", "".join(builds), re.MULTILINE) == [
        image.name for image in IMAGES
    ]
    for build in builds:
        given = dict(re.findall(rf"^--label\n{PREFIX}\.([\w.]+)=(.*)$", build, re.MULTILINE))
        assert expected.items() <= given.items()
        assert given.keys() - expected.keys() <= {"revision", "source"}
