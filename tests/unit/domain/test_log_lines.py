"""Log lines are JSON with what was said, and what it is about, and not what libraries hang on."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from taxi_domain.logs import ContextFields, JsonFormatter, about, present
from taxi_domain.runs import decision_of


class Lines:
    """What a logger printed."""

    def __init__(self, **always: str) -> None:
        self._stream = io.StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(JsonFormatter())
        handler.addFilter(ContextFields(always))
        self.logger = logging.getLogger(f"taxi.{id(self)}")
        self.logger.addHandler(handler)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(json.loads, self._stream.getvalue().splitlines())


def test_line_has_the_phrase_and_the_extra_fields() -> None:
    record = logging.makeLogRecord(
        {"msg": "model is %s", "args": ("loaded",), "levelname": "INFO", "name": "taxi"}
    )
    record.version = "abc"
    record.settings = object()

    line = json.loads(JsonFormatter().format(record))

    assert (line["message"], line["version"], line["level"]) == ("model is loaded", "abc", "info")
    assert "settings" not in line


def test_lines_within_have_what_they_are_about() -> None:
    lines = Lines()
    with about(policy="p", decision=""):
        lines.logger.warning("looked")
        with about(decision="d"):
            lines.logger.warning("decided")
            lines.logger.warning("of another", extra={"policy": "q"})
    lines.logger.warning("after")

    looked, decided, other, after = lines
    assert (looked["policy"], "decision" in looked) == ("p", False)
    assert (decided["policy"], decided["decision"]) == ("p", "d")
    assert (other["policy"], other["decision"]) == ("q", "d")
    assert not {"policy", "decision"} & after.keys()


def test_tasks_have_what_they_were_begun_about_and_no_more() -> None:
    seen = {}

    async def note(name: str) -> None:
        await asyncio.sleep(0)
        seen[name] = dict(present())

    async def reconcile(name: str) -> None:
        with about(policy=name):
            task = asyncio.create_task(note(name))
            await asyncio.sleep(0)
        await task

    async def both() -> None:
        await asyncio.gather(reconcile("p"), reconcile("q"))

    asyncio.run(both())

    assert seen == {"p": {"policy": "p"}, "q": {"policy": "q"}}


def test_a_jobs_lines_all_have_its_decision() -> None:
    lines = Lines(decision="d")
    lines.logger.warning("begun")

    assert [one["decision"] for one in lines] == ["d"]


@pytest.mark.parametrize(
    ("run", "decision"),
    [
        ("0a1b2c3d-0007-1", "0a1b2c3d-0007"), ("0a1b2c3d-12345-2", "0a1b2c3d-12345"),
        ("0a1b2c3d-0007-observe-1", "0a1b2c3d-0007"), ("manual-0123456789ab", ""), ("", ""),
    ],
)  # fmt: skip
def test_run_tells_its_decision(run: str, decision: str) -> None:
    assert decision_of(run) == decision
