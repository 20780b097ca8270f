"""All that follows from a decision is in one trace, and knows the decision."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.simulator.clock import HOUR, MINUTE
from support.simulator.policies import MAIN
from support.simulator.world import BREACHED, HEALTHY, World

from taxi_operator.effects.traced_executor import TracedExecutor
from taxi_runtime.traces import Traces


class Traced:
    """A world whose operator makes traces."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._traces = Traces("http://nowhere", self._exporter)
        self.world = World(MAIN, pace=60.0)
        self.world.executor = partial(TracedExecutor, self._traces)
        self.world.start()
        self.world.add_policy(MAIN)
        self.world.run(MINUTE)

    def spans(self) -> list[ReadableSpan]:
        """Return the spans so far, in the order of their ends."""
        self._traces.stop()
        return list(self._exporter.get_finished_spans())


@pytest.fixture
def traced() -> Iterator[Traced]:
    one = Traced()
    yield one
    one.world.close()


def said(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(f"taxi.{name}")


def test_a_retraining_is_one_trace_over_many_reconciles(traced: Traced) -> None:
    world = traced.world
    world.signal(MAIN.drift, BREACHED)
    while not world.journal.of("job"):
        world.run(10.0)
    world.signal(MAIN.drift, HEALTHY)
    world.run(HOUR)
    spans = traced.spans()

    names = [one.name for one in spans]
    (decision,) = (one for one in spans if one.name == "decision Retrain")
    (job,) = (one for one in spans if one.name == "effect CreateJob")
    assert {"effect MoveAlias", "effect AnnotatePods"} <= set(names)
    (created,) = world.journal.of("job")
    assert said(job, "job") in created.facts.values()
    assert said(decision, "action") == "Retrain"
    assert {said(one, "policy") for one in spans} == {"main"}
    (number,) = {said(one, "decision") for one in spans}
    assert said(job, "job").endswith(f"{number}-1")
    assert len({one.context and one.context.trace_id for one in spans}) == 1


def test_reconciles_that_do_nothing_make_no_span(traced: Traced) -> None:
    traced.world.run(HOUR)

    assert not traced.spans()
