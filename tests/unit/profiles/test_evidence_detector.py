"""Evidence over blocks: alarms, their end, blame, and going on from a stored state."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.evidence_rows import calibrated, columns, part

from taxi_profiles.evidence.calibration import Calibration, NotCalibratedError
from taxi_profiles.evidence.detector import MARGIN, Detector, StateError
from taxi_profiles.evidence.judgement import Judgement, State
from taxi_profiles.evidence.scoring import BlockScores, score_labels, score_rows
from taxi_profiles.evidence.streams import Group, Side, column_of, score_of
from taxi_profiles.reference import TARGET

ROWS = 20_000
B = 500
BUDGET = 100_000


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrated(columns(ROWS, 1))


def blocks_of(calibration: Calibration, made: dict[str, Any]) -> list[BlockScores]:
    return [
        score_rows(calibration, part(made, start, start + B))
        for start in range(0, len(made[TARGET]), B)
    ]


@pytest.fixture(scope="module")
def quiet(calibration: Calibration) -> list[BlockScores]:
    return blocks_of(calibration, columns(15_000, 2, first=ROWS))


@pytest.fixture(scope="module")
def longer(calibration: Calibration) -> list[BlockScores]:
    made = columns(5000, 3, first=ROWS)
    return blocks_of(calibration, made | {"distance": made["distance"] * 1.25})


def judged(
    calibration: Calibration, blocks: Sequence[BlockScores], side: Side = Side.ROWS
) -> list[Judgement]:
    detector, found = Detector.start(calibration, side, BUDGET), []
    for block in blocks:
        detector = detector.after(block)
        found.append(detector.judgement())
    return found


def test_rows_like_the_reference_raise_no_alarm(
    calibration: Calibration, quiet: list[BlockScores]
) -> None:
    assert {one.state for one in judged(calibration, quiet)} == {State.OK}


def test_a_longer_distance_is_an_alarm_that_names_it(
    calibration: Calibration, quiet: list[BlockScores], longer: list[BlockScores]
) -> None:
    found = judged(calibration, quiet + longer)
    states = [one.state for one in found]
    first = states.index(State.ALARM)
    assert len(quiet) < first <= len(quiet) + 5
    assert column_of(found[first].blamed[0]) == "distance"
    total, threshold = found[first].total, found[first].threshold
    assert total is not None
    assert total >= threshold == pytest.approx(np.log10(MARGIN * 2 * BUDGET / B))
    assert found[first].believes(Group.INPUTS)
    assert not found[first].believes(Group.FAULTS)
    assert found[-1].block == len(found) - 1


def test_an_alarm_ends_when_blocks_are_as_before(
    calibration: Calibration, quiet: list[BlockScores], longer: list[BlockScores]
) -> None:
    states = [one.state for one in judged(calibration, longer + quiet)]
    end = states.index(State.OK, states.index(State.ALARM))
    assert len(longer) + 3 <= end <= len(longer) + 20
    assert set(states[end:]) == {State.OK}


def test_an_alarm_is_one_episode_while_it_lasts(
    calibration: Calibration, longer: list[BlockScores]
) -> None:
    states = [one.state for one in judged(calibration, longer * 20)]
    first = states.index(State.ALARM)
    assert set(states[first:]) == {State.ALARM}


def test_more_false_alarms_allowed_means_an_earlier_one(
    calibration: Calibration, longer: list[BlockScores]
) -> None:
    firsts = []
    for budget in (5_000, 100_000, 1e12):
        detector = Detector.start(calibration, Side.ROWS, budget)
        for number, block in enumerate(longer):
            detector = detector.after(block)
            if detector.alarm:
                firsts.append(number)
                break
    assert firsts == sorted(firsts)
    assert firsts[0] < firsts[-1]


def test_the_order_of_streams_changes_nothing(
    calibration: Calibration, longer: list[BlockScores]
) -> None:
    turned = [replace(one, scores=dict(reversed(list(one.scores.items())))) for one in longer]
    other = replace(calibration, scores=dict(reversed(list(calibration.scores.items()))))
    assert judged(other, turned)[-1].evidence == judged(calibration, longer)[-1].evidence


def test_going_on_from_a_stored_state_is_exact(
    calibration: Calibration, quiet: list[BlockScores], longer: list[BlockScores]
) -> None:
    start = Detector.start(calibration, Side.ROWS, BUDGET)
    straight = start
    stored = start.to_bytes()
    for block in [*quiet[:6], *longer, *quiet[6:]]:
        straight = straight.after(block)
        stored = start.restored(stored).after(block).to_bytes()
        assert stored == straight.to_bytes()
        assert start.restored(stored).judgement().evidence == straight.judgement().evidence


def test_a_state_of_something_else_is_refused(
    calibration: Calibration, longer: list[BlockScores]
) -> None:
    rows, labels = (Detector.start(calibration, side, BUDGET) for side in Side)
    with pytest.raises(StateError, match="side"):
        labels.restored(rows.to_bytes())
    for damaged in (b"", b"{}", b"\xff\n", rows.to_bytes()[:-8], b"[]\n"):
        with pytest.raises(StateError, match="begin anew"):
            rows.restored(damaged)
    with pytest.raises(ValueError, match="the detector is of labels"):
        labels.after(longer[0])


def test_a_short_block_is_no_evidence(calibration: Calibration, longer: list[BlockScores]) -> None:
    start = Detector.start(calibration, Side.ROWS, BUDGET)
    short = start.after(replace(longer[0], rows=B - 1))
    assert short.judgement().state is State.SHORT
    assert short.to_bytes() == start.to_bytes()


def test_columns_that_do_not_decide_are_shown_only(longer: list[BlockScores]) -> None:
    made = columns(ROWS, 1)
    calibration = replace(calibrated(made), deciding=frozenset({"zone"}))
    shown = [
        replace(one, scores={
            name: score for name, score in one.scores.items() if column_of(name) == "distance"
        })
        for one in longer
    ]  # fmt: skip
    last = judged(calibration, shown)[-1]
    assert last.state is State.OK
    assert "rank:distance" in last.blamed


def test_labels_that_take_longer_are_an_alarm_of_the_error(calibration: Calibration) -> None:
    made = columns(6000, 4, first=ROWS)
    made[TARGET] = made[TARGET] * 1.25
    blocks = [
        score_labels(
            calibration, part(made, start, start + B),
            history=part(made, max(start - 3000, 0), start) if start else None,
        )
        for start in range(0, 6000, B)
    ]  # fmt: skip
    found = judged(calibration, blocks, Side.LABELS)
    alarm = next(one for one in found if one.state is State.ALARM)
    assert alarm.block <= 6
    assert alarm.believes(Group.ERROR)
    assert alarm.blamed[0] in {"harm", "bias", "gain"}


def test_bias_alone_is_a_diagnosis() -> None:
    assert not score_of("bias").decides


def test_a_bias_of_a_larger_error_decides(calibration: Calibration) -> None:
    seen = calibration.scores["bias"]
    harm = 2 * calibration.small_harm
    high = BlockScores(Side.LABELS, B, {"harmful_bias": 2 * float(np.abs(seen).max())})
    assert judged(calibration, [high] * 8, Side.LABELS)[-1].state is State.ALARM
    ordinary = BlockScores(Side.LABELS, B, {"harmful_bias": 0.0, "harm": harm, "bias": 1.0})
    assert (judged(calibration, [ordinary] * 8, Side.LABELS)[-1].evidence["harmful_bias"] or 0) < 1


def test_evidence_stays_within_twice_that_of_an_alarm(
    calibration: Calibration, longer: list[BlockScores]
) -> None:
    found = judged(calibration, longer * 4)
    most = found[-1].threshold + np.log10(2)
    assert max(one.total or 0.0 for one in found) <= most + 1e-9
    assert found[-1].total == pytest.approx(most, abs=0.3)


def test_a_short_reference_says_so() -> None:
    message = "blocks of 500 rows: it has 4 of 30; train on at least 3000 rows, better 15000"
    for side in Side:
        with pytest.raises(NotCalibratedError, match=message):
            Detector.start(calibrated(columns(2000, 1)), side, BUDGET)


def test_a_budget_of_less_than_two_blocks_is_refused(calibration: Calibration) -> None:
    with pytest.raises(ValueError, match="less than two blocks of 500; give more"):
        Detector.start(calibration, Side.ROWS, 900)
