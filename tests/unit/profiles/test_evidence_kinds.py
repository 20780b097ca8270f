"""Kinds of drift, and known events."""

import pytest

from taxi_profiles.evidence.judgement import Judgement, State
from taxi_profiles.evidence.kinds import Kind, Labels, kind_of
from taxi_profiles.evidence.known_events import AFTER, KnownEvent, events_during
from taxi_profiles.evidence.streams import Group, Side

HIGH, LOW = 5.0, 0.0


def judgement(side: Side, state: State = State.ALARM, **evidence: float) -> Judgement:
    groups = {group: evidence.get(group, LOW) for group in Group}
    names = ("estimated_harm", "harm", "harmful_bias", "gain")
    streams = {name: evidence.get(name, LOW) for name in names}
    return Judgement(side, 3, 500, {}, streams, groups, HIGH, 2.6, state, (), {}, {})


def rows(state: State = State.ALARM, **evidence: float) -> Judgement:
    return judgement(Side.ROWS, state, **evidence)


def errors(state: State = State.OK, **evidence: float) -> Judgement:
    return judgement(Side.LABELS, state, **evidence)


@pytest.mark.parametrize(
    ("found", "known", "labels", "kind"),
    [
        (rows(State.OK), errors(), Labels.KNOWN, Kind.NONE),
        (None, None, Labels.PENDING, Kind.NONE),
        (rows(inputs=HIGH), errors(), Labels.KNOWN, Kind.BENIGN),
        (rows(inputs=HIGH), None, Labels.PENDING, Kind.BENIGN),
        (rows(inputs=HIGH, estimated_harm=HIGH), errors(), Labels.PENDING, Kind.EXPECTED_HARM),
        (rows(inputs=HIGH, estimated_harm=HIGH), errors(), Labels.KNOWN, Kind.BENIGN),
        (rows(inputs=HIGH), errors(error=HIGH, harm=HIGH), Labels.KNOWN, Kind.HARMFUL_COVARIATE),
        (rows(outputs=HIGH), errors(error=HIGH, gain=HIGH), Labels.KNOWN, Kind.HARMFUL_COVARIATE),
        (
            rows(inputs=HIGH),
            errors(error=HIGH, harmful_bias=HIGH),
            Labels.KNOWN,
            Kind.HARMFUL_COVARIATE,
        ),
        (rows(inputs=HIGH), errors(State.ALARM, error=HIGH), Labels.KNOWN, Kind.BENIGN),  # a slice
        (rows(State.OK), errors(State.ALARM, error=HIGH), Labels.KNOWN, Kind.CONCEPT),
        (rows(faults=HIGH), errors(State.ALARM, error=HIGH), Labels.KNOWN, Kind.DATA_FAULT),
        (rows(State.OK), errors(State.ALARM, faults=HIGH), Labels.KNOWN, Kind.DATA_FAULT),
        (rows(inputs=HIGH), errors(), Labels.OVERDUE, Kind.BLIND),
        (rows(State.SUSPECTED, inputs=HIGH), errors(), Labels.OVERDUE, Kind.NONE),
        (rows(State.SUSPECTED, faults=HIGH), errors(), Labels.KNOWN, Kind.NONE),
    ],
)
def test_kinds(
    found: Judgement | None, known: Judgement | None, labels: Labels, kind: Kind
) -> None:
    assert kind_of(found, known, labels) is kind


def test_events_are_named_during_and_a_day_after() -> None:
    storm = KnownEvent("storm", 1000.0, 5000.0)
    assert events_during([storm], 0.0, 999.0) == ()
    assert events_during([storm], 0.0, 1000.0) == (storm,)
    assert events_during([storm], 5000.0 + AFTER - 1, 1e9) == (storm,)
    assert events_during([storm], 5000.0 + AFTER, 1e9) == ()


@pytest.mark.parametrize(("name", "start", "end"), [("", 0.0, 1.0), ("x", 1.0, 1.0)])
def test_an_event_needs_a_name_and_an_end(name: str, start: float, end: float) -> None:
    with pytest.raises(ValueError, match=r"calendar: .*give a name, and an end after the start"):
        KnownEvent(name, start, end)
