"""Rows that nobody predicts are judged block by block, by their inputs alone."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from support.judged_log import BLOCK, Judged
from support.taxi_columns import DISTANCE

from taxi_domain.models import MODEL_NAME
from taxi_domain.verdicts import BlockState, Side
from taxi_local.mongod import Mongod
from taxi_monitor.evidence.unserved import ROLE, unserved_version
from taxi_monitor.metrics.evidence_gauges import EvidenceCollector
from taxi_profiles.evidence.kinds import Kind
from taxi_store.connection import connect
from taxi_store.verdicts.verdicts import judged_versions

pytestmark = pytest.mark.component

VERSION = unserved_version("v1")


@pytest.fixture
def judged(shared_mongod: Mongod) -> Iterator[Judged]:
    with connect(shared_mongod.uri, app_name="test") as client:
        databases: Any = client
        yield Judged(databases[f"taxi-{uuid.uuid4().hex[:8]}"])


def offered(one: Judged, numbers: range, scale: float = 1.0) -> None:
    for start in range(numbers.start, numbers.stop, 50):
        one.seconds += 1.0
        one.offer(range(start, min(start + 50, numbers.stop)), scale)


def test_another_distribution_is_an_alarm_that_nobody_can_tell_the_harm_of(judged: Judged) -> None:
    offered(judged, range(5000, 5400))  # before the version was the champion
    judged.seconds += 1.0
    judged.promote()
    offered(judged, range(6000, 6600))
    judged.store(range(7000, 7250))
    judged.seconds += 60.0
    monitor = judged.monitor()
    judged.view(monitor)
    quiet = monitor.views.of(VERSION)
    offered(judged, range(6600, 7600), scale=1.7)
    judged.seconds += 60.0
    judged.view(monitor)
    loud = monitor.views.of(VERSION)

    assert quiet is not None
    assert loud is not None
    rows = quiet.verdicts[Side.ROWS]
    assert (rows.block, rows.state, quiet.kind) == (600 // BLOCK - 1, BlockState.OK, Kind.NONE)
    assert set(rows.groups) == {"inputs", "faults"}
    assert not [one for one in rows.scores if one.startswith(("prediction", "estimated"))]
    assert not [one for one in rows.problems if "prediction" in one]
    alarm = loud.verdicts[Side.ROWS]
    assert (alarm.block, alarm.state, loud.kind) == (15, BlockState.ALARM, Kind.BLIND)
    assert any(DISTANCE in one for one in alarm.blamed[:3])
    assert (alarm.role, alarm.version) == (ROLE, VERSION)
    served = monitor.views.of("v1")
    assert served is not None
    assert served.kind == Kind.NONE

    again = judged.monitor()
    judged.view(again)
    restarted = again.views.of(VERSION)
    assert restarted is not None
    assert restarted.verdicts == loud.verdicts
    versions = judged_versions(judged.database, MODEL_NAME, "champion")
    assert [one.version for one in versions] == ["v1"], "they are none of the champion's blocks"


def test_their_late_rows_are_counted(judged: Judged) -> None:
    offered(judged, range(5000, 5030))  # before the version was the champion
    judged.seconds += 1.0
    judged.promote()
    judged.seconds += 11.0
    monitor = judged.monitor()
    judged.view(monitor)
    offered(judged, range(6000, 6250))
    judged.seconds += 11.0
    judged.view(monitor)
    judged.offer(range(6300, 6307), behind=13.5)  # the clock of a machine is behind
    judged.store(range(7000, 7003), behind=13.5)
    judged.seconds += 130.0
    judged.view(monitor)

    found = monitor.views.of(VERSION)
    assert found is not None
    assert (found.verdicts[Side.ROWS].block, found.late_rows) == (1, 7)


def test_their_evidence_is_exported_under_their_role(judged: Judged) -> None:
    offered(judged, range(6000, 6200))
    judged.seconds += 60.0
    monitor = judged.monitor()
    judged.view(monitor)
    registry = CollectorRegistry()
    registry.register(
        EvidenceCollector(
            monitor.state, monitor.views, "m", (), clock=lambda: 0.0, rows=monitor.rows
        )
    )

    text = generate_latest(registry).decode()

    labels = f'{{model="m",model_role="{ROLE}",side="rows"}}'
    assert f"taxi_monitor_evidence_blocks{labels} 2.0" in text
    assert f"taxi_monitor_evidence_alarm{labels} 0.0" in text
    lines = [one for one in text.splitlines() if f'model_role="{ROLE}"' in one]
    assert not [one for one in lines if "label" in one]
