"""What the Dockerfiles leave out is not used, and what they promise holds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILES = {
    "predict": ROOT / "services/predict/Dockerfile",
    "monitor": ROOT / "services/monitor/Dockerfile",
    "train": ROOT / "jobs/train/Dockerfile",
    "report": ROOT / "jobs/report/Dockerfile",
    "operator": ROOT / "operator/Dockerfile",
}
#: Classes of the Kubernetes client that are not generated per kind or call.
KEPT = {"ApiClient", "Configuration"}
#: All that the project builds and runs in a pod.
BUILT = sorted(
    path for folder in ("services", "jobs", "operator", "images")
    for path in (ROOT / folder).rglob("Dockerfile")
)  # fmt: skip
#: What the programs of the images import first.
IMPORTED = ("argparse", "flask", "gunicorn", "kopf", "prometheus_client", "pymongo", "typer")
every_image = pytest.mark.parametrize("name", DOCKERFILES)


def test_the_operator_uses_no_generated_class_of_the_kubernetes_client() -> None:
    sources = [path.read_text() for path in (ROOT / "operator/src").rglob("*.py")]
    used = {name for text in sources for name in re.findall(r"\bclient\.([A-Z]\w+)", text)}

    assert used
    assert used <= KEPT
    assert not [text for text in sources if re.search(r"kubernetes\.(aio\.)?client\.\w+", text)]


@every_image
def test_an_image_builds_from_any_base_with_pinned_packages_and_no_root(name: str) -> None:
    text = DOCKERFILES[name].read_text()

    assert "ARG PYTHON_IMAGE=python:3.11-slim-bookworm" in text
    assert f"--require-hashes -r requirements/{name}.txt" in text
    assert "USER 10001:10001" in text
    entry = r'^ENTRYPOINT \["/opt/venv/bin/python", "-m", "taxi_\w+\.main"\]$'
    assert re.search(entry, text, re.MULTILINE)
    # The legacy builder knows neither.
    assert not re.search(r"RUN --mount|COPY --(chmod|link)", text)


@every_image
def test_an_image_holds_every_library_that_its_part_needs(name: str) -> None:
    text = DOCKERFILES[name].read_text()
    project = (DOCKERFILES[name].parent / "pyproject.toml").read_text()
    needed = set(re.findall(r'"taxi-(domain|store|runtime|profiles)(?:\[http\])?"', project))

    assert {"domain", "store", "runtime"} <= needed
    assert needed == set(re.findall(r"\./libs/(\w+)", text))


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
        "requirements", "libs", "services", "jobs", "operator",
    }  # fmt: skip


def environment_of(dockerfile: Path) -> dict[str, str]:
    """Return the environment variables of an image's last stage."""
    stage = dockerfile.read_text().rsplit("\nFROM ", 1)[1]
    lines = re.findall(r"^ENV (.+)$", stage, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def test_every_image_is_held_to_the_rules() -> None:
    assert {*DOCKERFILES.values(), ROOT / "images/mongodb/Dockerfile"} == set(BUILT)


@pytest.mark.parametrize("dockerfile", BUILT, ids=lambda path: path.parent.name)
def test_no_image_imports_from_the_folder_it_runs_in(dockerfile: Path) -> None:
    # The working folder is the writable one: whoever can write there must not run there.
    assert environment_of(dockerfile)["PYTHONSAFEPATH"] == "1"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, ("-m", f"taxi_{name}.main")) for name in DOCKERFILES),
        ("predict", ("-m", "taxi_store.bootstrap_users", "--help")),
        ("predict", ("-c", "import flask")),
    ],
)
def test_a_planted_module_does_not_run(name: str, words: tuple[str, str], tmp_path: Path) -> None:
    for module in IMPORTED:
        (tmp_path / f"{module}.py").write_text("raise SystemExit('planted')")
    python = {
        key: value
        for key, value in environment_of(DOCKERFILES[name]).items()
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
