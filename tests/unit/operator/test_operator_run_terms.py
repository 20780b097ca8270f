"""What a Job remembers of the run that it is of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_operator.adapters.kinds import JOBS
from taxi_operator.core.run_terms import TERMS_ANNOTATION, Terms, annotation_of, terms_of
from taxi_operator.spec.policy import Gate, Observation

GATE = Gate(5000, "0.02", "0.9", True, 7200.0)
LOOK = Observation(3600, 1000, "0.95")


def job(text: str | None) -> dict[str, Any]:
    annotations = {} if text is None else {TERMS_ANNOTATION: text, "kubectl/other": "x"}
    return {"metadata": {"name": "j", "annotations": annotations}}


@pytest.mark.parametrize("terms", [Terms(GATE, LOOK), Terms(Gate(1000, "0.01", "0.95"), None)])
def test_what_is_written_is_read_also_from_what_is_watched(terms: Terms) -> None:
    written = job(annotation_of(terms))

    assert terms_of(written) == terms
    assert terms_of(JOBS.kept(written)) == terms


def test_job_of_a_release_before_remembers_nothing() -> None:
    assert terms_of(job(None)) is None
    assert terms_of({"metadata": {"name": "j"}}) is None


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "7", '{"gate": null, "observation": null}',
        '{"gate": [1, "0.1", "0.9", true, NaN], "observation": null}',
        '{"gate": [1, "0.1", "0.9", true, 1e999], "observation": null}',
        '{"gate": [1e999, "0.1", "0.9", true, 1], "observation": null}',
        '{"gate": [1, "0.1", "0.9", true, 1]}',
        '{"gate": [1, "0.1", "0.9", true, 1], "observation": [1]}',
    ],
)  # fmt: skip
def test_text_that_a_hand_wrote_is_none(text: str) -> None:
    assert terms_of(job(text)) is None


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    terms_of(job(text))
