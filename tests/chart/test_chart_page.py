"""The chart's README and the texts of its schema are those of values.yaml."""

import importlib.util
import json
import re

import pytest
import yaml
from support.chart import CHART, VALUE_FILES

pytestmark = pytest.mark.chart

_SPEC = importlib.util.spec_from_file_location(
    "chart_page", CHART.parents[1] / "tools/dev/chart_page.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
chart_page = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(chart_page)

VALUES = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
README = (CHART / "README.md").read_text()


def test_the_readme_is_fresh() -> None:
    """`python tools/dev/chart_page.py` writes it."""
    assert chart_page.written(README, chart_page.table(VALUES, SCHEMA)) == README


def test_the_schema_says_what_the_values_say() -> None:
    """`python tools/dev/chart_page.py` writes it."""
    assert chart_page.described(VALUES, SCHEMA) == SCHEMA


def test_every_value_stands_in_the_readme() -> None:
    listed = set(re.findall(r"^\| `([\w.]+)`", README, re.MULTILINE))
    own = [value.path for value in chart_page.values_of(VALUES) if not value.is_block]

    assert {".".join(path) for path in own} <= listed
    assert len(own) > 150
    values = yaml.safe_load(VALUES)
    for path in own:
        chart_page.at(values, path)  # a key that the parser made up is not there


def test_a_comment_is_of_the_key_below_it() -> None:
    text = "# Of a.\na:\n  # Of b,\n  # still.\n  b: 1\n\n# Of nothing.\n\nc: {d: 1}\n"

    assert [(one.path, one.text, one.is_block) for one in chart_page.values_of(text)] == [
        (("a",), "Of a.", True),
        (("a", "b"), "Of b, still.", False),
        (("c",), "", False),
    ]


def test_the_readme_names_every_set_of_values() -> None:
    assert {f"`{name}.yaml`" for name in VALUE_FILES} <= set(re.findall(r"`[\w-]+\.yaml`", README))
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    assert f"--version {version} " in README


def test_artifact_hub_shows_the_example_that_is_tested() -> None:
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    smallest = (CHART.parents[1] / "k8s/examples/smallest.yaml").read_text()

    assert yaml.safe_load(annotations["artifacthub.io/crdsExamples"]) == [yaml.safe_load(smallest)]
    changes = yaml.safe_load(annotations["artifacthub.io/changes"])
    assert {one["kind"] for one in changes} <= {"added", "changed", "removed", "fixed", "security"}
    (crd,) = yaml.safe_load(annotations["artifacthub.io/crds"])
    assert (crd["kind"], crd["version"]) == ("DriftPolicy", "v1alpha1")


@pytest.mark.parametrize("page", ["README.md", "docs/chart.md", "charts/taxi-monitoring/README.md"])
def test_an_install_says_where_the_images_are(page: str) -> None:
    """Nobody publishes them: with the defaults no pod gets one."""
    text = (CHART.parents[1] / page).read_text().replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("helm install ")]

    assert commands
    assert [line for line in commands if "-f .build/values.json" not in line] == []
    assert "\nmake images load " in text
