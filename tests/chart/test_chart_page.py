"""The chart's README and the texts of its schema are those of values.yaml."""

import importlib.util
import json
import re

import pytest
import yaml
from support.chart import CHART, VALUE_FILES

from taxi_domain.metrics import PREDICTOR_REQUESTS

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


def test_artifact_hub_lists_the_images_that_somebody_publishes() -> None:
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    images = yaml.safe_load(VALUES)["images"]

    assert yaml.safe_load(annotations["artifacthub.io/images"]) == [
        {"name": name, "image": f"{one['registry']}/{one['repository']}:{one['tag']}"}
        for name, one in images.items() if one["registry"] != "registry.invalid"
    ]  # fmt: skip


def test_artifact_hub_names_values_that_are_there() -> None:
    annotations = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    text = "\n".join(
        one["description"] for one in yaml.safe_load(annotations["artifacthub.io/changes"])
        if one["kind"] != "removed"
    )  # fmt: skip

    named = re.findall(r"`([\w.]+)`", text)
    assert len(named) > 10
    for path in named:
        chart_page.at(yaml.safe_load(VALUES), path.split("."))


def test_the_comparison_counts_sets_of_values_and_dashboards() -> None:
    text = (CHART.parents[1] / "docs/chart.md").read_text()
    boards = list((CHART / "files/dashboards").glob("*.json"))

    assert f"| sets of values in `ci/` | {len(VALUE_FILES)} |" in text
    assert f"| dashboards | {len(boards)} |" in text


def test_the_metric_of_the_autoscaled_set_has_a_rule_for_the_adapter() -> None:
    text = (CHART.parents[1] / "docs/chart.md").read_text()
    (block,) = (one for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "Query" in one)
    (rule,) = yaml.safe_load(block)["rules"]["custom"]
    scaled = yaml.safe_load(VALUE_FILES["autoscaled"].read_text())["predictor"]["autoscaling"]

    (metric,) = scaled["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert rule["seriesQuery"].partition("{")[0] == PREDICTOR_REQUESTS.name


@pytest.mark.parametrize("page", ["README.md", "docs/chart.md", "charts/taxi-monitoring/README.md"])
def test_an_install_says_where_the_images_are(page: str) -> None:
    """Nobody publishes them: with the defaults no pod gets one."""
    text = (CHART.parents[1] / page).read_text().replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("helm install ")]

    assert commands
    assert [line for line in commands if "-f .build/values.json" not in line] == []
    assert "\nmake images load " in text
