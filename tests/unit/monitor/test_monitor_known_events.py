"""Known events and what is told beside the verdict."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taxi_domain.errors import FieldError
from taxi_domain.verdicts import BlockState, Side
from taxi_monitor.evidence.view import EvidenceView, Views
from taxi_monitor.http.evidence_forms import with_evidence
from taxi_monitor.metrics.evidence_gauges import EvidenceCollector
from taxi_monitor.settings import Settings
from taxi_monitor.windows.state import State
from taxi_runtime.settings import read
from taxi_store.verdicts.block_verdict import BlockVerdict, Cursor

NOW = datetime(2021, 2, 1, 12, tzinfo=UTC)
STORM = '[{"name": "storm", "from": "2021-01-31T22:00:00-05:00", "to": "2021-02-03"}]'


REQUIRED = {"TAXI_MONGODB_URI": "mongodb://h/x", "TAXI_MONITOR_TOKEN": "12345678"}


def settings_of(events: str) -> Settings:
    return read(Settings, {**REQUIRED, "TAXI_MONITOR_KNOWN_EVENTS": events})


def block(answered: datetime) -> BlockVerdict:
    return BlockVerdict(
        "m", "v1", Side.ROWS, 4, 500, answered, answered, Cursor(answered, "r1"), {}, {}, {}, 1.0,
        2.6, BlockState.OK, "None",
    )  # fmt: skip


def told(view: EvidenceView | None, at: datetime = NOW) -> dict[str, Any]:
    views = Views()
    if view is not None:
        views.put(view)
    drift = {"versions": [{"model_version": "v1", "window": {}}]}
    return with_evidence(drift, views, settings_of(STORM).known_events, at)


def test_without_any_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(Settings, REQUIRED).known_events == ()
    monkeypatch.setenv("TAXI_MONITOR_KNOWN_EVENTS", STORM)
    assert [one.name for one in read(Settings, REQUIRED).known_events] == ["storm"]


def test_times_without_an_offset_are_utc() -> None:
    (storm,) = settings_of(STORM).known_events

    assert (storm.begin, storm.end) == (
        datetime(2021, 2, 1, 3, tzinfo=UTC), datetime(2021, 2, 3, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        "storm", '{"name": "storm"}', '[{"name": "storm", "from": "2021-02-01"}]',
        '[{"name": "", "from": "2021-02-01", "to": "2021-02-02"}]',
        '[{"name": "storm", "from": "2021-02-02", "to": "2021-02-01"}]',
        '[{"name": "storm", "from": "2021-02-01", "to": "2021-02-02", "why": "snow"}]',
    ],
)  # fmt: skip
def test_events_that_cannot_be_are_refused_with_the_variable(events: str) -> None:
    with pytest.raises(FieldError, match="TAXI_MONITOR_KNOWN_EVENTS"):
        settings_of(events)


def test_an_event_is_told_while_it_lasts_and_with_the_blocks_that_may_show_it() -> None:
    hours = {-20: [], 0: ["storm"], 40: ["storm"], 80: []}
    for hour, expected in hours.items():
        answered = NOW + timedelta(hours=hour)
        found = told(EvidenceView("v1", read_until=NOW, verdicts={Side.ROWS: block(answered)}))
        (version,) = found["versions"]
        assert [one["name"] for one in version["judging"]["known_events"]] == expected, hour
        assert [one["name"] for one in found["known_events"]] == ["storm"]
    assert told(None, NOW + timedelta(days=9))["known_events"] == []


def test_events_of_one_name_are_one_series() -> None:
    twice = STORM[:-1] + ', {"name": "storm", "from": "2022-01-29", "to": "2022-01-30"}]'
    events = settings_of(twice).known_events
    collector = EvidenceCollector(State(10, 1), Views(), "m", events, clock=NOW.timestamp)

    (family,) = collector.collect()

    assert [(one.labels, one.value) for one in family.samples] == [({"event": "storm"}, 1.0)]


def test_what_is_not_known_is_told_so() -> None:
    (unknown,) = told(None)["versions"]
    (waiting,) = told(EvidenceView("v1", problem="the past log is being judged"))["versions"]

    assert unknown["judging"] is None
    assert waiting["judging"]["problem"] == "the past log is being judged"
    assert (waiting["judging"]["kind"], waiting["judging"]["read_until"]) == (None, None)
    assert waiting["window"] == {}
