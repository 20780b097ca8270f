"""What the Dockerfiles leave out is not used, and what they promise holds."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILES = {
    "predict": ROOT / "services/predict/Dockerfile",
    "monitor": ROOT / "services/monitor/Dockerfile",
    "train": ROOT / "jobs/train/Dockerfile",
    "operator": ROOT / "operator/Dockerfile",
}
#: Classes of the Kubernetes client that are not generated per kind or call.
KEPT = {"ApiClient", "Configuration"}
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
