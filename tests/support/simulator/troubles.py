"""Everything that may befall the first policy of a world, by name."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from support.simulator.clock import DAY
from support.simulator.faults import Outage, Server
from support.simulator.objects import CRON_JOBS, POLICIES, SERVICES
from support.simulator.policies import MAIN, OBSERVATION, fallback_of, retrain_of, spec_of
from support.simulator.prometheus import Trouble
from support.simulator.train_job import Outcome
from support.simulator.world import BREACHED, HEALTHY, World
from taxi_domain.runs import RunResult

Document = dict[str, Any]
Befall = Callable[[World], None]

RIVAL: Final = "rival"
_AHEAD: Final = "2099-01-01T00:00:00Z"
_RUN: Final = {
    "number": 7, "attempt": 1, "state": "Running", "jobName": "nobody-knows-it",
    "startedAt": "2025-10-09T09:00:00Z",
}  # fmt: skip

#: What hands, backups and other releases leave in a status; None loses it.
STATUSES: Final[dict[str, Document | None]] = {
    "lost": None,
    "garbage run": {"run": "?"},
    "garbage lists": {"history": "?", "conditions": [5], "signals": {"name": 1}},
    "garbage numbers": {"decision": {"number": "many"}, "budget": {"runsInWindow": -1}},
    "times ahead": {
        "signalsResetAt": _AHEAD, "run": {"endedAt": _AHEAD, "nextAttemptAt": _AHEAD},
        "traffic": {"since": _AHEAD, "championSince": _AHEAD},
    },
    "next release": {
        "memoryVersion": 2, "run": {"state": "Shadowing", "digest": "sha256:1"},
        "traffic": {"active": "Canary", "weight": 10}, "outbox": [{"id": "0001"}],
    },
    "a run without a Job": {"run": _RUN},
    "a promotion of nothing": {
        "run": {**_RUN, "state": "Promoting", "candidate": "nothing", "champion": "main-first"}
    },
    "an observation of nothing": {"run": {"state": "Observing"}},
    "a rollback of nothing": {
        "run": {**_RUN, "state": "RollingBack", "candidate": "main-first", "champion": "nothing"}
    },
    "a hand on the requests": {"requests": {"rollback": 5, "refused": ["?"]}},
    "a hand on the traffic": {"traffic": {"active": "Fallback"}},
}  # fmt: skip
EDITS: Final[dict[str, Document]] = {
    "enforce": {"mode": "Enforce"}, "dry run": {"mode": "DryRun"}, "suspend": {"mode": "Suspend"},
    "no fallback": {"fallback": None, "rules": {"retrain": {"anyOf": [{"allOf": ["drift"]}]}}},
    "no retrain": {"retrain": None, "rules": {"fallback": {"anyOf": [{"allOf": ["error"]}]}}},
    "more rules": {
        "fallback": fallback_of(MAIN), "retrain": retrain_of(MAIN),
        "rules": {
            "retrain": {"anyOf": [{"allOf": ["drift"]}, {"allOf": ["error"]}]},
            "fallback": {"anyOf": [{"allOf": ["error"]}]},
        },
    },
    "observed": {"observation": OBSERVATION}, "not observed": {"observation": None},
    "another model": {"modelName": "spare-model"},
    "invalid": {"signals": [{"name": "drift"}]},
    "as it was": spec_of(MAIN),
}  # fmt: skip
OUTCOMES: Final = [
    Outcome(), Outcome(loadable=False), Outcome(seconds=5.0), Outcome(readable=False),
    Outcome(exit_code=1, reason="OOMKilled"), Outcome(result=None),
    *(Outcome(result=None, exit_code=code) for code in (None, 1, 2)),
    *(Outcome(result=one) for one in RunResult if one is not RunResult.PENDING),
]  # fmt: skip
#: How the Jobs go that observe.
OBSERVED: Final = [
    *(
        Outcome(result=one, seconds=30.0)
        for one in (
            RunResult.WORSE, RunResult.WORSE, RunResult.NOT_WORSE, RunResult.TOO_FEW_LABELS,
            RunResult.DATA_QUALITY_FAILED,
        )
    ),
    Outcome(result=RunResult.WORSE, readable=False),
    *(Outcome(result=None, exit_code=code) for code in (None, 0, 1, 2)),
]  # fmt: skip
_VALUES: Final = {
    "breached": BREACHED, "healthy": HEALTHY, "between": 0.9, "no number": float("nan"),
    "infinite": float("inf"), "marked as ended": None, "silent": None,
}  # fmt: skip


def _signal(query: str, what: str, world: World) -> None:
    world.signal(query, _VALUES[what], marked=what != "silent")


def _trouble(query: str, trouble: Trouble, world: World) -> None:
    world.monitoring.sources[query].trouble = trouble


def _away(server: Server, outage: Outage, seconds: float, world: World) -> None:
    world.network.outages[server] = outage
    world.later(seconds, lambda: world.network.outages.pop(server, None))


def _status(what: str, world: World) -> None:
    world.write_status(MAIN.policy, STATUSES[what])


def _edit(what: str, world: World) -> None:
    world.edit(MAIN.policy, **EDITS[what])


def _deployment(name: str, world: World) -> None:
    if world.workloads.document(name) is None:
        world.workloads.add(name)
    else:
        world.workloads.remove(name)


def _service(world: World) -> None:
    if world.objects.find(SERVICES, MAIN.service) is None:
        world.add_service(MAIN)
    else:
        world.journal.note("service gone", service=MAIN.service)
        world.objects.remove(SERVICES, MAIN.service)


def _template(world: World) -> None:
    if world.objects.find(CRON_JOBS, MAIN.cron_job) is None:
        world.jobs.add_template(MAIN.cron_job, MAIN.model)
    else:
        world.objects.remove(CRON_JOBS, MAIN.cron_job)


def _policy(name: str, world: World, *, held: bool = False) -> None:
    if world.objects.find(POLICIES, name) is None:
        world.add_policy(MAIN, name)
    else:
        world.delete_policy(name, held=held)


def _operators(world: World) -> None:
    if len(world.processes) < 2:
        world.start()
    else:
        world.stop(world.processes[0])


def _quota(world: World) -> None:
    world.namespace.quota = not world.namespace.quota


def _slow_watches(lag: float, world: World) -> None:
    world.namespace.changes.lag = lag


def _silent_watches(seconds: float, world: World) -> None:
    world.namespace.changes.silent_until = world.clock.seconds + seconds


def _cut_watches(world: World) -> None:
    world.namespace.changes.cuts += 1


def _slow_endpoints(delay: float, world: World) -> None:
    world.workloads.endpoint_delay = delay


_QUERIES: Final = (MAIN.drift, MAIN.error)
_DEPLOYMENTS: Final = (MAIN.champion, MAIN.fallback)

#: What befalls the policy alone.
OF_A_POLICY: Final[dict[str, Befall]] = {
    **{f"{one} is {what}": partial(_signal, one, what) for one in _QUERIES for what in _VALUES},
    **{f"{one}: {what}": partial(_trouble, one, what) for one in _QUERIES for what in Trouble},
    **{f"status: {what}": partial(_status, what) for what in STATUSES},
    **{f"spec: {what}": partial(_edit, what) for what in EDITS},
    **{f"{one} goes or comes": partial(_deployment, one) for one in _DEPLOYMENTS},
    **{
        f"{one}: pods broken {broken}": lambda world, one=one, broken=broken: (  # type: ignore[misc]
            world.workloads.break_pods(one, broken=broken)
        )
        for one in _DEPLOYMENTS
        for broken in (True, False)
    },
    **{
        f"{one}: paused {paused}": lambda world, one=one, paused=paused: (  # type: ignore[misc]
            world.workloads.pause(one, paused=paused)
        )
        for one in _DEPLOYMENTS
        for paused in (True, False)
    },
    "its Service goes or comes": _service,
    "its template goes or comes": _template,
    "it goes or comes": partial(_policy, MAIN.policy),
    "it goes, and somebody holds it": partial(_policy, MAIN.policy, held=True),
    "a rival goes or comes": partial(_policy, RIVAL),
    "its Jobs are deleted": lambda world: world.delete_jobs(MAIN.policy),
}
#: What befalls all policies.
OF_ALL: Final[dict[str, Befall]] = {
    **{
        f"{server} is {outage} for {seconds}": partial(_away, server, outage, seconds)
        for server in Server
        for outage in Outage
        for seconds in (20.0, 200.0)
    },
    **{
        f"{which} jumps by {seconds}": lambda world, which=which, seconds=seconds: world.jump(  # type: ignore[misc]
            **{which: seconds}
        )
        for which in ("api", "prometheus")
        for seconds in (600.0, DAY, -600.0, -DAY)
    },
    **{f"endpoints after {one}": partial(_slow_endpoints, one) for one in (0.5, 20.0, 90.0)},
    "the operator is killed": World.kill,
    "another operator goes or comes": _operators,
    "the quota is used up or not": _quota,
    **{f"watches tell after {one}": partial(_slow_watches, one) for one in (0.0, 10.0, 90.0)},
    **{f"watches are silent for {one}": partial(_silent_watches, one) for one in (60.0, 400.0)},
    "watches are cut": _cut_watches,
    "what watches missed is forgotten": lambda world: world.namespace.changes.forget(),
    "the registry is collected": lambda world: world.models.collect(),
}
