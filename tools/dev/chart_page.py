"""Writes the table of values in the chart's README, and the texts of values.schema.json.

Both come from the comments of values.yaml: `python tools/dev/chart_page.py` writes them anew, and a
test fails while they differ.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "taxi-monitoring"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):(?P<rest>.*)$")
_ANCHOR = re.compile(r"^ *&[A-Za-z]+ *$")


@dataclass(frozen=True, slots=True)
class Value:
    """One key of values.yaml.

    Attributes:
        path: Keys from the root.
        text: Its comment in one line, empty without one.
        is_block: Whether keys of its own follow.
    """

    path: tuple[str, ...]
    text: str
    is_block: bool


def values_of(text: str) -> Iterator[Value]:
    """Yield the keys of values.yaml with the comments above them, in their order."""
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    listed: int | None = None  # indent of the items of a list, whose keys are no values
    for line in text.splitlines():
        stripped = line.strip()
        indented = len(line) - len(line.lstrip())
        if listed is not None and stripped and indented <= listed and not stripped.startswith("-"):
            listed = None
        if stripped.startswith("- "):
            listed = indented
        if listed is not None:
            comment = []
        elif stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
        elif found := _KEY.match(line):
            indent = len(found["indent"])
            while parents and parents[-1][0] >= indent:
                parents.pop()
            rest = found["rest"].strip()
            parents.append((indent, found["key"]))
            path = tuple(key for _, key in parents)
            yield Value(path, " ".join(comment), not rest or bool(_ANCHOR.match(rest)))
            comment = []
        else:  # an empty line, `<<`, an item of a list: comments above are not of a key
            comment = []


def at(values: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path."""
    for key in path:
        values = values[key]
    return values


def schema_at(schema: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return the property of a path as the schema has it, with its reference.

    Raises:
        KeyError: the schema does not know it.
    """
    found = schema
    for key in path:
        found = _resolved(schema, found)["properties"][key]
    return dict(found)


def _resolved(schema: Mapping[str, Any], one: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = one.get("$ref")
    found: Mapping[str, Any] = schema["$defs"][reference.rsplit("/", 1)[1]] if reference else one
    return found


def type_of(schema: Mapping[str, Any], path: Sequence[str]) -> str:
    """Return the type of a value for a reader: that of JSON, or the words to choose from."""
    one = _resolved(schema, schema_at(schema, path))
    if "enum" in one:
        return ", ".join(json.dumps(word) for word in one["enum"])
    if "anyOf" in one:
        return " or ".join(str(_resolved(schema, kind).get("type", "any")) for kind in one["anyOf"])
    kind = one.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def table(text: str, schema: Mapping[str, Any]) -> str:
    """Return the sections of the README: one for each block of values."""
    defaults = yaml.safe_load(text)
    lines: list[str] = []
    section = ""
    texts = _texts(text)
    for value in values_of(text):
        first = value.path[0]
        if len(value.path) == 1 and value.is_block:
            shared = "pods" in defaults and set(defaults["pods"]) <= set(defaults[first])
            more = " It has all keys of `pods`, too." if shared and first != "pods" else ""
            about = f"{value.text}{more}".strip()
            lines += ["", f"### {first}", "", *([about, ""] if about else []), *_HEAD]
            section = first
            continue
        if len(value.path) == 1 and section != "-":
            lines += ["", "### Of the whole release", "", *_HEAD]
            section = "-"
        if value.is_block:
            if value.text:
                lines.append(f"| `{'.'.join(value.path)}` | | | {_cell(value.text)} |")
            continue
        meaning = value.text or texts.get(value.path[1:], "")
        default = json.dumps(at(defaults, value.path), separators=(", ", ": "))
        kind = type_of(schema, value.path)
        lines.append(
            f"| `{'.'.join(value.path)}` | {_cell(kind)} | `{_cell(default)}` | {_cell(meaning)} |"
        )
    return "\n".join(lines).strip()


def _texts(text: str) -> dict[tuple[str, ...], str]:
    """Return comments by the path within a block: what several parts have is told at the first."""
    found: dict[tuple[str, ...], str] = {}
    for value in values_of(text):
        if value.text and len(value.path) > 1:
            found.setdefault(value.path[1:], value.text)
    return found


_HEAD = ("| value | type | default | meaning |", "|---|---|---|---|")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def described(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with the comments of values.yaml as descriptions of its properties."""
    whole: dict[str, Any] = json.loads(json.dumps(schema))
    for value in values_of(text):
        if not value.text:
            continue
        parent: dict[str, Any] = whole
        for key in value.path[:-1]:
            parent = parent["properties"][key] if "$ref" not in parent else {}
            if "properties" not in parent:  # a definition that several share
                break
        else:
            one = parent["properties"][value.path[-1]]
            one.pop("description", None)
            parent["properties"][value.path[-1]] = {"description": value.text, **one}
    return whole


def written(readme: str, section: str) -> str:
    """Return a README with its table replaced.

    Raises:
        ValueError: the marks are missing.
    """
    head, rest = readme.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{section}\n\n{END}{tail}"


def main() -> None:
    """Write both files anew."""
    text = (CHART / "values.yaml").read_text()
    path = CHART / "values.schema.json"
    schema = json.loads(path.read_text())
    path.write_text(json.dumps(described(text, schema), indent=2) + "\n")
    readme = CHART / "README.md"
    readme.write_text(written(readme.read_text(), table(text, schema)))


if __name__ == "__main__":
    main()
