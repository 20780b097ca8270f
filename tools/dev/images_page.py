"""Write docs/images.md from the images: their sizes, and what is in them with its licence.

Usage: images_page.py VALUES FOLDER. VALUES is what `make images` writes; bills of materials go to
FOLDER, one `<part>.cdx.json` each.
"""

import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/images.md"
BILL = "/opt/taxi/bill.cdx.json"
SOURCES = {
    "predict": "services/predict", "monitor": "services/monitor", "train": "jobs/train",
    "report": "jobs/report", "operator": "operator",
}  # fmt: skip
Bill = dict[str, Any]


def docker(*words: str) -> bytes:
    """Return what docker prints.

    Raises:
        subprocess.CalledProcessError: it fails; its text is in `stderr`.
    """
    return subprocess.run(["docker", *words], capture_output=True, check=True, timeout=120).stdout


def bill_of(image: str) -> Bill:
    """Return the bill of materials that an image holds; nothing of it runs but Python."""
    program = f"print(open({BILL!r}).read())"
    found: Bill = json.loads(
        docker("run", "--rm", "--network=none", "--entrypoint=/opt/venv/bin/python", image,
               "-ISc", program)
    )  # fmt: skip
    return found


def limit_of(part: str) -> int:
    """Return what a part's image may take, in megabytes."""
    project = tomllib.loads((ROOT / SOURCES[part] / "pyproject.toml").read_text())
    found: int = project["tool"]["taxi"]["image"]["max_megabytes"]
    return found


def page(bills: Mapping[str, Bill], sizes: Mapping[str, int]) -> str:
    """Return the page.

    Args:
        bills: Bill of materials by part.
        sizes: Bytes by part.
    """
    lines = [
        "# Images", "",
        "Generated from the images by `make sbom`; do not edit. Each image has its bill of",
        f"materials (CycloneDX 1.6) in `{BILL}`. `images/part/licences.py` says which",
        "licences may be in them.",
        "", "| image | MB | limit | components | of Debian |", "|---|---|---|---|---|",
    ]  # fmt: skip
    where: defaultdict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for part, bill in bills.items():
        components = [one for one in bill["components"] if not one["name"].startswith("taxi-")]
        debian = sum(one["purl"].startswith("pkg:deb/") for one in components)
        megabytes = f"{sizes[part] / 1e6:.0f} | {limit_of(part)}"
        lines.append(f"| {part} | {megabytes} | {len(components)} | {debian} |")
        for one in components:
            (chosen,) = one["licenses"]
            single = chosen.get("license", {})
            licence = chosen.get("expression") or single.get("id") or single["name"]
            kind = "Debian" if one["purl"].startswith("pkg:deb/") else "Python"
            where[kind, one["name"], one["version"], licence].append(part)
    lines += ["", "| of | component | version | licence | in |", "|---|---|---|---|---|"]
    lines += [
        f"| {kind} | {name} | {version} | {licence} | {', '.join(parts)} |"
        for (kind, name, version, licence), parts in sorted(where.items())
    ]
    return "\n".join(lines) + "\n"


def main(values: str, folder: str) -> None:
    """Write bills and page."""
    images = json.loads(Path(values).read_text())["images"]
    bills, sizes = {}, {}
    Path(folder).mkdir(parents=True, exist_ok=True)
    for part in SOURCES:
        image = f"{images[part]['repository']}:{images[part]['tag']}"
        bills[part] = bill_of(image)
        sizes[part] = int(docker("image", "inspect", "--format", "{{.Size}}", image))
        Path(folder, f"{part}.cdx.json").write_text(json.dumps(bills[part], indent=1) + "\n")
    PAGE.write_text(page(bills, sizes))
    print(f"docs/images.md, and {len(bills)} bills in {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
