"""A label of any size leaves the error a number."""

import math

import numpy as np
import pytest
from support.artifacts import random_rows
from support.monitor_windows import NOW, watched
from support.references import reference_for

from taxi_domain.errors import FieldError
from taxi_domain.models import Alias
from taxi_domain.records import Label, PredictionRecord
from taxi_monitor.windows.state import State
from taxi_schema.labels import LabelParser
from taxi_schema.reading import schema_of
from taxi_schema.records import inputs_of

SCHEMA = schema_of({"target": {"name": "y"}, "columns": [{"name": "x", "kind": "number"}]})
ROWS = 100


@pytest.mark.parametrize("value", [1e200, -1.7e308, 1e100])
def test_wild_labels_leave_the_error_finite(value: float) -> None:
    state = State(ROWS, 10)
    state.watch(Alias.CHAMPION, watched(reference_for(SCHEMA), ROWS, schema=SCHEMA))
    state.ingest(
        PredictionRecord(
            f"r{number}", NOW, None, "m", "v1", "champion", inputs_of(SCHEMA, row), 1.0
        )
        for number, row in enumerate(random_rows(SCHEMA, 50))
    )
    for number in range(50):
        wanted = value if number == 7 else 1.5
        try:
            taken = LabelParser(SCHEMA).parse({"id": f"r{number}", "y": wanted}).value
        except FieldError:
            # As a log has it that was written before there was a bound.
            assert abs(wanted) > 1e100
            taken = wanted
        state.join([Label(f"r{number}", taken, NOW)])

    state.evaluate(NOW.timestamp)

    ((_, found),) = state.evaluations()
    assert found.errors is not None
    errors = found.errors.error
    assert errors is not None
    assert math.isfinite(errors.rmse)
    assert (errors.rmse == pytest.approx(0.5)) == (abs(value) > 1e100)
    assert np.isfinite(found.labelled.columns["target"]).all()
