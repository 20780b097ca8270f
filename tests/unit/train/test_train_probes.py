"""Graphs are asked at the limits of their inputs before they may serve."""

import math

import pytest
from support.predictor import division_artifact, small_artifact

from taxi_domain.probes import AT_THE_LIMITS
from taxi_domain.runs import RunResult
from taxi_train.artifact.onnx_model import GraphError, check_graphs, check_limits
from taxi_train.data.rides import read_file
from taxi_train.main import SAMPLES
from taxi_train.runs.gate import GateRules
from taxi_train.runs.retraining import compare


def test_every_end_of_every_input_is_asked_for() -> None:
    columns = list(zip(*(one.inputs() for one in AT_THE_LIMITS), strict=True))

    assert len(set(AT_THE_LIMITS)) == len(AT_THE_LIMITS) == 40
    assert [(min(one), max(one)) for one in (columns[0], columns[1], columns[3])] == [
        (1, 265), (1, 265), (0, 100),
    ]  # fmt: skip
    for column, last in ((columns[4], 23), (columns[5], 6)):
        assert {one for one in column if not math.isnan(one)} == {0, last}
        assert sum(map(math.isnan, column)) == 8


def test_a_graph_that_divides_by_the_distance_names_the_ride() -> None:
    files = division_artifact().files

    check_graphs(files)
    with pytest.raises(
        GraphError, match=r"model\.onnx: gives inf for .*trip_distance 0, hour miss"
    ):
        check_limits(files)
    check_limits(small_artifact().files)


def test_the_gate_refuses_such_a_candidate_and_lets_such_a_champion_be_replaced() -> None:
    rides = read_file(SAMPLES / "green-2021-01.parquet")[:200]
    rules = GateRules(min_labelled_rows=100)

    refused = compare(small_artifact(), division_artifact(), rides, rules)
    replaced = compare(division_artifact(), small_artifact(), rides, rules)

    assert refused.result is RunResult.NOT_BETTER
    assert "trip_distance 0" in refused.message
    assert replaced.result is RunResult.BETTER
