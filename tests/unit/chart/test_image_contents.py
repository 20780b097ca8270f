"""What is in the images: licences, sizes, shells, and what is said of known vulnerabilities."""

import ast
import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
PARTS = {
    "predict": "services/predict", "monitor": "services/monitor", "train": "jobs/train",
    "report": "jobs/report", "operator": "operator",
}  # fmt: skip
#: The page's table of images, and that of components.
IMAGE = re.compile(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
COMPONENT = re.compile(r"^\| (Python|Debian) \| (\S+) \| (\S+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
PAGE = (ROOT / "docs/images.md").read_text()
VEX = json.loads((ROOT / "images/vex.openvex.json").read_text())


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Return what runs a file of images/part, whose modules stand beside one another."""
    monkeypatch.syspath_prepend(str(ROOT / "images/part"))

    def run(name: str) -> dict[str, Any]:
        for module in ("bill", "licences"):
            sys.modules.pop(module, None)
        return runpy.run_path(str(ROOT / "images/part" / f"{name}.py"))

    return run


Recipe = Callable[[str], dict[str, Any]]


def test_every_image_is_within_the_bound_of_its_part() -> None:
    found = {name: (int(size), int(limit)) for name, size, limit, _, _ in IMAGE.findall(PAGE)}

    assert set(found) == set(PARTS)
    for name, (size, limit) in found.items():
        text = (ROOT / PARTS[name] / "pyproject.toml").read_text()
        assert f"max_megabytes = {limit}\n" in text, "run `make sbom`"
        assert 0.75 * limit < size <= limit, name


def test_every_component_has_a_licence_that_goes_with_apache(recipe: Recipe) -> None:
    is_allowed = recipe("licences")["is_allowed"]
    found = COMPONENT.findall(PAGE)

    assert len(found) > 150
    assert not [one for one in found if not is_allowed(one[1], one[3])]


@pytest.mark.parametrize("part", PARTS)
def test_every_pin_of_an_image_is_on_the_page(part: str) -> None:
    text = (ROOT / "requirements" / f"{part}.txt").read_text()
    lines = re.findall(r"^([A-Za-z0-9_.-]+==[^\\\n]+)", text, re.MULTILINE)
    pins = [Requirement(line) for line in lines]
    linux = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64",
             "python_full_version": "3.11.2", "python_version": "3.11"}  # fmt: skip
    installed = {one.name for one in pins if not one.marker or one.marker.evaluate(linux)}
    listed = {name for kind, name, _, _, parts in COMPONENT.findall(PAGE)
              if kind == "Python" and part in parts.split(", ")}  # fmt: skip

    assert installed - listed == set(), "run `make sbom`"


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("MIT", True), ("GPL-2.0-only", False), ("MIT OR GPL-2.0-only", True),
        ("MIT AND GPL-2.0-only", False), ("MPL-2.0 AND (Apache-2.0 OR GPL-2.0-only)", True),
        ("(MIT OR ISC) AND (GPL-2.0-only AND MIT)", False),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", True),
        ("GPL-3.0-or-later WITH Other-exception AND MIT", False), ("SSPL-1.0", False),
        ("AGPL-3.0-only", False),
    ],
)  # fmt: skip
def test_an_expression_is_allowed_as_a_whole(recipe: Recipe, expression: str, holds: bool) -> None:
    assert recipe("licences")["is_allowed"]("x", expression) is holds


def test_a_licence_that_nobody_knows_ends_the_build(recipe: Recipe) -> None:
    of_python = recipe("licences")["of_python"]

    assert of_python("x", None, "See the file", []) is None
    assert of_python("x", None, "", ["License :: OSI Approved :: BSD License"]) == "BSD-3-Clause"
    assert of_python("x", "ISC", "MIT", []) == "ISC"
    both = ["License :: OSI Approved :: BSD License", "License :: OSI Approved :: MIT License"]
    assert of_python("x", None, None, both) is None
    bill = recipe("bill")
    with pytest.raises(bill["UnknownLicenceError"], match="nmap: its licence is not known"):
        bill["of_debian"]({"Package": "nmap", "Version": "1", "Architecture": "amd64"})


def test_the_same_image_has_the_same_bill(recipe: Recipe) -> None:
    bill = recipe("bill")
    control = {"Package": "libstdc++6", "Version": "1:14.2.0-19", "Architecture": "arm64"}
    parts = [bill["of_debian"](control), bill["of_debian"]({**control, "Package": "zlib1g"})]

    made = bill["bill"]("predict", "1.0", parts)

    assert made == bill["bill"]("predict", "1.0", [*reversed(parts), parts[0]])
    assert [one["purl"] for one in made["components"]] == [
        "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2.0-19?arch=arm64&distro=debian-13",
        "pkg:deb/debian/zlib1g@1%3A14.2.0-19?arch=arm64&distro=debian-13",
    ]
    assert made["components"][0]["licenses"] == [
        {"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"}
    ]


def test_the_inspection_finds_what_must_not_be_in_an_image(recipe: Recipe, tmp_path: Path) -> None:
    problems = recipe("inspection")["problems"]
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/fine").write_bytes(b"x" * 600_000)
    assert problems({"max_megabytes": 1}, tmp_path) == []

    (tmp_path / "usr/bin/su").write_bytes(b"x" * 600_000)
    (tmp_path / "usr/bin/su").chmod(0o4755)
    (tmp_path / "usr/bin/sh").symlink_to("dash")
    (tmp_path / "usr/bin/fine").chmod(0o666)
    found = problems({"max_megabytes": 1}, tmp_path)
    words = ("runs as another user", "is a shell", "everybody can write", "more than max_megabytes")
    assert len(found) == len(words)
    for word in words:
        assert any(word in one for one in found), found
    with_shell = problems({"max_megabytes": 9, "debian": ["dash"]}, tmp_path)
    assert not [one for one in with_shell if "shell" in one]


@pytest.mark.parametrize("part", ["predict", "monitor", "operator"])
def test_what_serves_has_no_shell(part: str) -> None:
    assert "debian" not in (ROOT / PARTS[part] / "pyproject.toml").read_text()
    listed = {name for kind, name, _, _, parts in COMPONENT.findall(PAGE)
              if kind == "Debian" and part in parts.split(", ")}  # fmt: skip
    assert listed.isdisjoint({"dash", "bash", "coreutils", "busybox"})
    assert "libc6" in listed


def test_statements_are_of_the_versions_that_the_images_have() -> None:
    text = (ROOT / "requirements/train.txt").read_text()
    (version,) = re.findall(r"^onnx==(\S+)", text, re.MULTILINE)

    for one in VEX["statements"]:
        assert re.fullmatch(r"CVE-\d{4}-\d{4,}", one["vulnerability"]["name"])
        assert (one["status"], one["justification"]) == (
            "not_affected", "vulnerable_code_not_in_execute_path",
        )  # fmt: skip
        (product,) = one["products"]
        assert product["subcomponents"] == [{"@id": f"pkg:pypi/onnx@{version}"}]


def test_nothing_of_onnx_is_used_but_what_makes_graphs() -> None:
    """The statements' reason: no model is loaded or saved, and no external data is read."""
    used = set()
    for path in (ROOT / "jobs").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not [one for one in node.names if one.name.split(".")[0] == "onnx"], path
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "onnx":
                assert node.module == "onnx", path
                used |= {one.name for one in node.names}
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("numpy_helper", "to_array"), path

    assert used <= {"ModelProto", "NodeProto", "TensorProto", "ValueInfoProto", "helper",
                    "numpy_helper"}  # fmt: skip
    assert used
