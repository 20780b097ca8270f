"""What the Dockerfiles leave out is not used, and what they promise holds."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from taxi_cluster.project_images import IMAGES

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "images/part/Dockerfile"
SOURCES = {
    "predict": "services/predict", "monitor": "services/monitor", "train": "jobs/train",
    "report": "jobs/report", "operator": "operator",
}  # fmt: skip
#: Classes of the Kubernetes client that are not generated per kind or call.
KEPT = {"ApiClient", "Configuration"}
#: All that the project builds and runs in a pod.
BUILT = sorted(
    path for folder in ("services", "jobs", "operator", "images", "libs")
    for path in (ROOT / folder).rglob("Dockerfile")
)  # fmt: skip
#: What the programs of the images import first.
IMPORTED = ("argparse", "flask", "gunicorn", "kopf", "prometheus_client", "pymongo", "typer")
every_image = pytest.mark.parametrize("name", SOURCES)


def test_the_operator_uses_no_generated_class_of_the_kubernetes_client() -> None:
    sources = [path.read_text() for path in (ROOT / "operator/src").rglob("*.py")]
    used = {name for text in sources for name in re.findall(r"\bclient\.([A-Z]\w+)", text)}

    assert used
    assert used <= KEPT
    assert not [text for text in sources if re.search(r"kubernetes\.(aio\.)?client\.\w+", text)]


def image_of(name: str) -> dict[str, Any]:
    """Return what a part's pyproject.toml says of its image."""
    project = tomllib.loads((ROOT / SOURCES[name] / "pyproject.toml").read_text())
    settings: dict[str, Any] = project["tool"]["taxi"]["image"]
    return settings


def test_an_image_builds_from_any_base_with_pinned_packages_and_no_root() -> None:
    text = DOCKERFILE.read_text()

    assert re.search(
        r"^ARG DEBIAN_IMAGE=debian:trixie-slim@sha256:[0-9a-f]{64}$", text, re.MULTILINE
    )
    assert "--require-hashes -r requirements/${PART}.txt" in text
    assert "USER 10001:10001" in text
    assert text.endswith('ENTRYPOINT ["/opt/taxi/bin/entrypoint"]\n')
    # The legacy builder knows neither.
    assert not re.search(r"RUN --mount|COPY --(chmod|link)", text)


@every_image
def test_an_image_runs_a_module_of_its_part(name: str) -> None:
    assert find_spec(image_of(name)["module"])


@every_image
def test_the_build_installs_the_libraries_that_the_builder_watches(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image,) = (image for image in IMAGES if image.name == name)
    project = tomllib.loads((ROOT / SOURCES[name] / "pyproject.toml").read_text())
    monkeypatch.chdir(ROOT)  # the build's context

    libraries_of = runpy.run_path(str(ROOT / "images/part/build.py"))["libraries_of"]
    installed = libraries_of(project["project"]["dependencies"], set())

    assert installed
    assert {f"libs/{library}" for library in installed} <= set(image.inputs)
    assert len(installed) == sum(path.startswith("libs/") for path in image.inputs)


@every_image
def test_the_builder_knows_what_an_image_is_made_of(name: str) -> None:
    (image,) = (image for image in IMAGES if image.name == name)
    libraries = {path.removeprefix("libs/") for path in image.inputs if path.startswith("libs/")}
    folders = [SOURCES[name], *image_of(name).get("beside", [])]
    sources = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        # What batch scoring needs is in the image that has it beside its part.
        if name != "predict" or "batch" not in path.parts
    ]
    imported = {
        library
        for path in sources
        for library in re.findall(r"^(?:from|import) taxi_(\w+)", path.read_text(), re.MULTILINE)
    }

    assert image.source == SOURCES[name]
    assert libraries == imported - {Path(folder).name for folder in folders}
    assert set(folders) <= set(image.inputs)


def test_batch_scoring_is_in_the_image_of_the_reports_and_its_needs_not_in_the_predictor() -> None:
    pins = {
        name: set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))
        for name in ("predict", "report")
        for text in [(ROOT / "requirements" / f"{name}.txt").read_text()]
    }

    assert image_of("report")["beside"] == ["services/predict"]
    # A score makes no traces.
    traces = {one for one in pins["predict"] if one.startswith(("opentelemetry-", "googleapis-"))}
    assert pins["predict"] - traces <= pins["report"]
    assert not pins["report"] & {"opentelemetry-sdk"}
    assert not pins["predict"] & {"pyarrow", "typer", "rich", "tenacity"}


@every_image
def test_the_pins_have_hashes_and_name_no_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    pins = re.findall(r"^[A-Za-z0-9_.-]+==", text, re.MULTILINE)

    assert len(pins) > 10
    assert len(re.findall(r"--hash=sha256:", text)) >= len(pins)
    assert "://" not in text
    assert "--index" not in text
    assert "taxi-" not in text


def test_only_what_images_are_made_of_enters_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "**"
    assert {line[1:] for line in rules if line.startswith("!")} == {
        "requirements", "libs", "services", "jobs", "operator", "models", "images/part/*.py",
        "images/part/system.sh",
    }  # fmt: skip


def environment_of(dockerfile: Path) -> dict[str, str]:
    """Return the environment variables of an image, of all stages that the last one is from."""
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?\n((?:(?!FROM ).*\n)*)", dockerfile.read_text(),
                        re.MULTILINE)  # fmt: skip
    named = {name: (base, text) for base, name, text in stages if name}
    base, _, text = stages[-1]
    while base in named:
        base, more = named[base]
        text = more + text
    lines = re.findall(r"^ENV (.+)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def test_every_image_is_held_to_the_rules() -> None:
    assert {DOCKERFILE, ROOT / "images/mongodb/Dockerfile"} == set(BUILT)


@pytest.mark.parametrize("dockerfile", BUILT, ids=lambda path: path.parent.name)
def test_no_image_imports_from_the_folder_it_runs_in(dockerfile: Path) -> None:
    # The working folder is the writable one: whoever can write there must not run there.
    assert environment_of(dockerfile)["PYTHONSAFEPATH"] == "1"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, ("-m", image_of(name)["module"])) for name in SOURCES),
        ("predict", ("-m", "taxi_store.admin.bootstrap_users", "--help")),
        ("predict", ("-m", "taxi_store.admin.server_files", "--help")),
        ("predict", ("-c", "import flask")),
    ],
)
def test_a_planted_module_does_not_run(name: str, words: tuple[str, str], tmp_path: Path) -> None:
    for module in IMPORTED:
        (tmp_path / f"{module}.py").write_text("raise SystemExit('planted')")
    python = {
        key: value
        for key, value in environment_of(DOCKERFILE).items()
        if key.startswith("PYTHON") and key != "PYTHONPATH"
    }
    # The tests' own packages stand for those of the image.
    packages = os.pathsep.join(one for one in sys.path if one)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": packages, **python}

    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    # 2: no settings, told in one line.
    assert (done.returncode, "planted" in done.stderr) in {(0, False), (2, False)}, done.stderr
    assert "Traceback" not in done.stderr
