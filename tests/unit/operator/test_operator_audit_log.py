"""Actions are in the log at once and in MongoDB when it takes them; no reconcile waits for it."""

import asyncio
import logging

import pytest

from taxi_domain.errors import NotAvailableError
from taxi_operator.adapters import audit_log
from taxi_operator.adapters.audit_log import MAX_WAITING, AuditLog
from taxi_store.admin.audit import Action, AuditEntry, Stage


class Audit:
    """MongoDB, that is away for the first calls."""

    def __init__(self, away: int = 0) -> None:
        self._away = away
        self.entries: list[AuditEntry] = []

    async def record(self, entry: AuditEntry) -> None:
        if self._away:
            self._away -= 1
            raise NotAvailableError("MongoDB is away")
        self.entries.append(entry)


async def written(audit: Audit, log: AuditLog) -> list[AuditEntry]:
    task = asyncio.create_task(log.run())
    while log.waiting:
        await asyncio.sleep(0)
    task.cancel()
    return audit.entries


def test_actions_wait_for_mongodb_and_name_the_policy(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    audit = Audit(away=2)

    async def act() -> list[AuditEntry]:
        log = AuditLog(audit, lambda: 0.0, pause=0.0)

        async def reconcile() -> None:
            before, after = {"version": "a"}, {"version": "b"}
            log.note(Action.PROMOTE, {"model": "m"}, before=before, after=after)
            log.note(Action.CREATE_JOB, {"job": "j"})

        await asyncio.create_task(reconcile(), name="my-policy")
        assert [one.message for one in caplog.records] == ["audit", "audit"]
        return await written(audit, log)

    promoted, created = asyncio.run(act())
    assert (promoted.action, created.action) == (Action.PROMOTE, Action.CREATE_JOB)
    assert promoted.reason == created.reason == "my-policy"
    assert (promoted.before, promoted.after) == ({"version": "a"}, {"version": "b"})
    assert (promoted.stage, promoted.by) == (Stage.DONE, "taxi-operator")


def test_a_failure_that_goes_on_is_noted_once_and_again_after_a_success() -> None:
    audit = Audit()

    async def act() -> list[AuditEntry]:
        log = AuditLog(audit, lambda: 0.0, pause=0.0)
        for problem in ("away", "away", "refused", "", "away"):
            log.note(Action.END_JOB, {"job": "j"}, problem=problem)
        return await written(audit, log)

    assert [one.problem for one in asyncio.run(act())] == ["away", "refused", "", "away"]


def test_what_mongodb_does_not_take_for_long_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async def act() -> int:
        log = AuditLog(Audit(), lambda: 0.0)
        for number in range(MAX_WAITING + 5):
            log.note(Action.CREATE_JOB, {"job": f"j{number}"})
        return log.waiting

    assert asyncio.run(act()) == MAX_WAITING
    lost = [one for one in caplog.records if one.name == audit_log.__name__]
    assert len(lost) == 5
