"""Objects of users' own: templates in them are filled in, what is no object is refused."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart import CHART, Manifest, helm_binaries, manifests, template

pytestmark = pytest.mark.chart

NAMED = '{{ include "taxi.fullname" . }}-mine'


def made(given: Manifest | str, binary: str | None = None, **values: Any) -> Manifest:
    """Return what becomes of one item; the chart's own objects stay as they are."""
    plain = manifests(template(values, binary=binary))
    found = manifests(template({**values, "extraObjects": [given]}, binary=binary))
    (one,) = (one for one in found if one not in plain)
    assert len(found) == len(plain) + 1
    return one


def config_map(**more: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAMED}, **more}


@pytest.mark.parametrize("binary", helm_binaries(), ids=lambda path: Path(path).name)
def test_templates_are_filled_in_wherever_they_stand(binary: str) -> None:
    data = {"where": "{{ .Release.Namespace }}", "pods": "{{ .Values.predictor.replicas }}"}

    found = made(config_map(data=data), binary, predictor={"replicas": 5})

    assert found["metadata"] == {"name": "taxi-mine"}
    assert found["data"] == {"where": "ns", "pods": "5"}


def test_a_text_may_have_what_is_yaml_only_when_it_is_filled_in() -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  {{- range list "a" "b" }}
  {{ . }}: {{ . | quote }}
  {{- end }}
"""

    assert made(text)["data"] == {"a": "a", "b": "b"}


def test_numbers_and_braces_stay_what_they_are() -> None:
    found = made(config_map(spec={"bytes": 1_000_000_000, "text": '{{ "{{ $labels.pod }}" }}'}))

    assert found["spec"] == {"bytes": 1_000_000_000, "text": "{{ $labels.pod }}"}


def test_long_texts_are_not_broken_within_their_braces() -> None:
    """Each of their spaces is once where a line of YAML would end."""
    last, filled = (
        '{{ "{{ $labels.pod }}" }} is in {{ .Release.Namespace }}',
        "{{ $labels.pod }} is in ns",
    )
    words = {f"of-{number}": "word " * number for number in range(8, 24)}

    found = made(config_map(data={name: text + last for name, text in words.items()}))

    assert found["data"] == {name: text + filled for name, text in words.items()}


def test_common_labels_and_annotations_are_added_below_its_own() -> None:
    own = {"name": "mine", "labels": {"team": "other"}}

    found = made(
        config_map(metadata=own),
        commonLabels={"team": "ml", "stage": "prod"}, commonAnnotations={"a": "b"},
    )  # fmt: skip

    assert found["metadata"]["labels"] == {"team": "other", "stage": "prod"}
    assert found["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (5, "/extraObjects/1"),
        ("a word", "extraObjects[1]: is no object"),
        ("[a, list]", "extraObjects[1]: is no object"),
        ("a: [", "extraObjects[1]: is no object"),
        ("", "extraObjects[1]: has no apiVersion"),
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, "extraObjects[1]: has no kind"),
        ({"apiVersion": "v1", "kind": "Secret"}, "extraObjects[1]: has no metadata.name"),
        (config_map(metadata="a"), "extraObjects[1]: has no metadata.name"),
        ("kind: A\n---\nkind: B", "extraObjects[1]: has several documents"),
        ({"kind": "{{ nothing }}"}, 'function "nothing" not defined'),
    ],
)
def test_what_is_no_object_is_refused_by_its_place(given: Any, problem: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({"extraObjects": [config_map(), given]})

    assert problem in caught.value.stderr


def test_the_documents_example_makes_what_it_names() -> None:
    text = (CHART.parents[1] / "docs/chart.md").read_text()
    blocks = re.findall(r"```yaml\n(extraObjects:.*?)```", text, re.DOTALL)
    (values,) = (yaml.safe_load(block) for block in blocks)

    (one,) = (one for one in manifests(template(values)) if one["kind"] == "ExternalSecret")
    assert one["metadata"]["name"] == values["predictor"]["existingTokenSecret"]
