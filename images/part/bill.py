"""The bill of materials of an image: CycloneDX, made from what is installed in it."""

import re
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Final

import licences

Component = dict[str, Any]

SPEC: Final = "1.6"
_SPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


class UnknownLicenceError(Exception):
    """The licence of a component is not known."""


def bill(part: str, version: str, components: Iterable[Component]) -> dict[str, Any]:
    """Return the document; the same image has the same one, so it has no time.

    Args:
        part: Name of the part.
        version: Of the part's distribution.
        components: From `of_python` and `of_debian`.
    """
    known = {one["bom-ref"]: one for one in components}
    ordered = [known[ref] for ref in sorted(known)]
    identity = uuid.uuid5(_SPACE, "\n".join([part, version, *sorted(known)]))
    return {
        "bomFormat": "CycloneDX", "specVersion": SPEC, "serialNumber": f"urn:uuid:{identity}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container", "bom-ref": f"taxi-monitoring/{part}",
                "name": f"taxi-monitoring/{part}", "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": ordered,
        "dependencies": [{"ref": f"taxi-monitoring/{part}", "dependsOn": sorted(known)}],
    }  # fmt: skip


def of_python(distribution: Distribution) -> Component:
    """Return the component of a Python distribution.

    Raises:
        UnknownLicenceError: neither its metadata nor `licences` tells its licence.
    """
    said = distribution.metadata
    name, version = re.sub(r"[-_.]+", "-", said["Name"]).lower(), distribution.version
    ((expression,), (words,)) = (
        said.get_all(field) or [None] for field in ("License-Expression", "License")
    )
    expression = licences.of_python(name, expression, words, said.get_all("Classifier") or [])
    if name.startswith("taxi-"):
        return _component(name, version, f"pkg:generic/{name}@{version}", "Apache-2.0")
    if not expression:
        raise UnknownLicenceError(
            f"{name} {version}: its metadata does not tell its licence; add it to PYTHON in "
            "images/part/licences.py"
        )
    return _component(name, version, f"pkg:pypi/{name}@{version}", expression)


def of_debian(control: Mapping[str, str]) -> Component:
    """Return the component of a Debian package.

    Args:
        control: Fields of its control file.

    Raises:
        UnknownLicenceError: `licences` does not have it.
    """
    name, version = control["Package"], control["Version"]
    if name not in licences.DEBIAN:
        raise UnknownLicenceError(
            f"{name}: its licence is not known; read /usr/share/doc/{name}/copyright and add it to "
            "DEBIAN in images/part/licences.py"
        )
    release = 12 if "+deb12" in version else 13
    escaped = version.replace("+", "%2B").replace(":", "%3A").replace("~", "%7E")
    purl = (
        f"pkg:deb/debian/{name.replace('+', '%2B')}@{escaped}"
        f"?arch={control['Architecture']}&distro=debian-{release}"
    )
    return _component(name, version, purl, licences.DEBIAN[name])


def control_of(path: Path) -> dict[str, str]:
    """Return the fields of a Debian control file that are one line long."""
    pairs = (line.split(": ", 1) for line in path.read_text().splitlines() if ": " in line)
    return {name: value for name, value in pairs if not name.startswith(" ")}


def _component(name: str, version: str, purl: str, expression: str) -> Component:
    single = re.fullmatch(r"[A-Za-z0-9.+-]+", expression)
    if single and expression.startswith("LicenseRef-"):
        chosen: dict[str, Any] = {"license": {"name": expression}}
    elif single:
        chosen = {"license": {"id": expression}}
    else:
        chosen = {"expression": expression}
    return {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "licenses": [chosen],
    }  # fmt: skip


def expression_of(component: Component) -> str:
    """Return a component's licence as an SPDX expression.

    >>> expression_of({"licenses": [{"license": {"id": "MIT"}}]})
    'MIT'
    """
    (chosen,) = component["licenses"]
    single = chosen.get("license", {})
    return str(chosen.get("expression") or single.get("id") or single["name"])
