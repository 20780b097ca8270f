"""Detectors behind one interface: those of the project on shipped rides, others in processes."""

from functools import cache

import pytest
from support.artifacts import Linear
from support.taxi_artifacts import answers_to
from support.taxi_columns import DISTANCE, DROPOFF, SCHEMA, taxi_rides, usual
from verdicts.arms.catalogue import ENGINE, WINDOW, make
from verdicts.arms.interface import Arm, State
from verdicts.arms.remote import RemoteArm, RemoteError
from verdicts.champions import Champion, champion_from
from verdicts.episodes import first_after
from verdicts.subjects import RIDES
from verdicts.traffic import Traffic, steps, traffic_of

from taxi_train.artifact.builder import artifact

#: Answers as a worker does: two alarms of three, blamed on what came.
WORKER = """
import os, sys
from peers import blobs
fed = 0
while (message := blobs.read(sys.stdin.buffer)) is not None:
    head, arrays = message
    answer = {}
    if head["what"] == "feed":
        fed += 1
        rows = len(arrays["rows/0"])
        answer = {"alarm": fed % 3 > 0, "blamed": [*head["numbers"], str(rows)]}
        if fed == 4:
            os._exit(7)
    blobs.write(sys.stdout.buffer, answer)
"""


@cache
def champion() -> Champion:
    """Return a champion of shipped rides whose graph is a line; nothing is trained."""
    rides = usual(taxi_rides("green-2021-01.parquet"))[:20_000]
    rides = rides.predicted(answers_to(rides))
    graph = Linear(5.0, {DISTANCE: 3.2}).graph(SCHEMA)
    return champion_from(SCHEMA, artifact(SCHEMA, "linear", graph, rides))


def rides(*, unseen: bool) -> Traffic:
    """Return rides after the reference, from the 2,500th on with a zone that it never had."""
    rows = usual(taxi_rides("green-2021-01.parquet"))[20_000:26_000]
    traffic = traffic_of(SCHEMA, rows, RIDES.label_lag(rows))
    if unseen:
        zones = traffic.rows.columns[DROPOFF].copy()
        zones[2500::3] = RIDES.roles.unseen
        traffic = traffic.with_column(DROPOFF, zones)
    return champion().answering(traffic)


def states(arm: Arm, traffic: Traffic) -> list[State]:
    arm.fit(champion())
    watch = arm.begin()
    return [watch.feed(step) for step in steps(traffic, 500)]


@pytest.mark.parametrize("name", [ENGINE, WINDOW])
def test_the_project_s_detectors_find_an_unseen_zone_and_blame_its_column(name: str) -> None:
    arm = make(name, 100_000)

    found = states(arm, rides(unseen=True))

    start = first_after([state.alarm for state in found], 5)
    assert start is not None
    assert any(DROPOFF in blamed for blamed in found[start].blamed[:3])
    if name == ENGINE:
        assert found[-1].kind == "DataFault"


@pytest.mark.parametrize("name", [ENGINE, WINDOW])
def test_a_watch_begins_anew(name: str) -> None:
    arm = make(name, 100_000)
    traffic = rides(unseen=True)

    assert states(arm, traffic) == states(arm, traffic)


def test_a_reference_that_is_too_short_is_said() -> None:
    rows = champion().rows[:1000]
    short = champion_from(
        SCHEMA, artifact(SCHEMA, "linear", champion().artifact.files["model.onnx"], rows)
    )
    arm = make(ENGINE, 100_000)
    arm.fit(short)
    step = next(iter(steps(rides(unseen=False), 500)))

    assert arm.begin().feed(step) == State(False, kind="short")


def test_a_worker_gets_rows_and_its_answers_come_back() -> None:
    arm = RemoteArm("worker", ("-c", WORKER))

    arm.fit(champion())
    watch = arm.begin()
    few = list(steps(rides(unseen=False), 500))[:3]
    found = [watch.feed(step) for step in few]
    arm.close()

    assert [state.alarm for state in found] == [True, True, False]
    assert found[0].blamed == (DISTANCE, "500")


def test_a_worker_that_ends_is_an_error_that_names_it() -> None:
    arm = RemoteArm("worker", ("-c", WORKER))
    arm.fit(champion())
    watch = arm.begin()
    few = list(steps(rides(unseen=False), 500))

    for step in few[:3]:
        watch.feed(step)
    with pytest.raises(RemoteError, match="worker: no answer to feed"):
        watch.feed(few[3])
    arm.close()


def test_a_worker_that_does_not_answer_is_ended() -> None:
    arm = RemoteArm("silent", ("-c", "import sys; sys.stdin.read()"))

    with pytest.raises(RemoteError, match="silent: no answer to fit in 0"):
        arm.fit_within(champion(), 0.2)
    arm.close()
