"""Each layers contract fails when it is broken: a rule that nothing can break holds nobody."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYERS = {
    contract["name"]: contract
    for contract in PROJECT["tool"]["importlinter"]["contracts"]
    if contract["type"] == "layers"
}


def source_of(package: str) -> Path:
    """Return the folder in which a package stands."""
    (folder,) = (
        folder
        for pattern in ("libs/*", "services/*", "jobs/*", "operator")
        for folder in ROOT.glob(f"{pattern}/src")
        if (folder / package).is_dir()
    )
    return folder


def some_module(folder: Path, layer: str) -> Path:
    """Return the file of a layer that an import can be added to."""
    path = folder.joinpath(*layer.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def check(folder: Path, contract: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Hold the packages in a folder to one contract."""
    (package,) = {layer.split(".")[0] for layer in flat(contract["layers"])}
    rules = "\n".join(
        f"{key} = {json.dumps(value)}" for key, value in contract.items() if key != "name"
    )
    (folder / "pyproject.toml").write_text(
        f'[tool.importlinter]\nroot_package = "{package}"\n'
        f'[[tool.importlinter.contracts]]\nname = "one"\n{rules}\n'
    )
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def flat(layers: list[str]) -> list[str]:
    """Return the modules of all layers, the upper ones first."""
    return [module.strip() for layer in layers for module in layer.replace("|", ":").split(":")]


@pytest.mark.parametrize("name", LAYERS)
def test_an_import_upwards_breaks_the_contract(name: str, tmp_path: Path) -> None:
    contract = LAYERS[name]
    modules = flat(contract["layers"])
    package = modules[0].split(".")[0]
    shutil.copytree(source_of(package) / package, tmp_path / package)
    kept = check(tmp_path, contract)
    lowest = some_module(tmp_path, modules[-1])
    lowest.write_text(lowest.read_text() + f"\nimport {modules[0]}\n")

    broken = check(tmp_path, contract)

    assert kept.returncode == 0, kept.stdout
    assert broken.returncode == 1, broken.stdout
    assert f"{modules[-1]} is not allowed to import {modules[0]}" in broken.stdout


@pytest.mark.parametrize("part", ["report", "operator"])
def test_every_module_of_a_part_has_a_layer(part: str) -> None:
    package = f"taxi_{part}"
    folder = source_of(package) / package
    modules = {
        f"{package}.{path.stem}"
        for path in folder.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    layered = set(flat(LAYERS[f"layers of the {part}"]["layers"]))
    assert layered == modules - {f"{package}.__init__"}
