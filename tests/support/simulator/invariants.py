"""What must hold in every story; each function fails with the moment at which it did not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from support.simulator.journal import Entry
from support.simulator.objects import POLICIES
from support.simulator.policies import MAX_AGE, MAX_RUNS, MIN_DWELL, WINDOW, Target
from support.simulator.world import World
from taxi_domain.kube import MODEL_VERSION_ANNOTATION
from taxi_operator.memory.notices import due_of

#: A change of the world within so many seconds before an action could not be known to it.
_UNAWARE = 2.0
#: Objects have the times of whole seconds: a run leaves its window up to a second early.
_SHORTEST_WINDOW = WINDOW - 1.0
#: Two steps of a range over two minutes.
_TWO_STEPS = 24.0
_ENFORCE = "Enforce"
_REQUESTS = {"retrain": "retrainRequest", "rollback": "rollbackRequest"}
#: Reasons of decisions that are no signals.
_NO_SIGNALS = {"championUnavailable", "forceTraffic", *_REQUESTS.values()}


def one_run_at_a_time(world: World) -> None:
    """A policy never has two unfinished Jobs, nor one Job twice.

    Nor has it one beside a promotion, or while that is observed.
    """
    made: dict[str, float] = {}
    deleted = [one.at for one in world.journal.of("jobs deleted")]
    for job in world.journal.of("job"):
        name = job.facts["name"]
        assert not job.facts["beside"], f"{job}: another one has not ended"
        assert not job.facts["promotions"], f"{job}: a promotion is open"
        by_hand = any(0 <= job.at - one.at < _UNAWARE for one in world.journal.of("memory"))
        observed = job.facts["state"] == "Observing" and not by_hand
        assert not observed, f"{job}: a promotion is observed"
        before = made.get(name)
        again = before is not None and not any(before <= at <= job.at for at in deleted)
        assert not again, f"{job}: was made before"
        made[name] = job.at


def budget_holds(world: World) -> None:
    """No window has more runs of a policy than its budget.

    What a run was is known from Jobs and status; where both were taken away nothing can know it.
    """
    for runs in _runs(world, "uid"):
        for start in runs:
            window = _window_before(start, runs)
            if not _forgot_runs(world, window[0].at, start.at):
                assert len(window) <= MAX_RUNS, f"{start}: is run {len(window)} of its window"


def budget_outlives_its_policy(world: World) -> None:
    """No window has more runs for a policy's name, however often it was made anew."""
    for runs in _runs(world, "policy"):
        for start in runs:
            window = _window_before(start, runs)
            assert len(window) <= MAX_RUNS, f"{start}: is run {len(window)} of its window"


def traffic_goes_to_ready_pods(world: World) -> None:
    """A selector never leaves ready pods for a Deployment that has none."""
    for move in world.journal.of("move"):
        gone = move.facts["unready_for"] > _UNAWARE
        assert not (gone and move.facts["before_ready"]), f"{move}: no pod of it is ready"


def actions_have_current_signals(world: World) -> None:
    """No decision comes from a signal whose newest sample is older than its age and two steps."""
    for decision in world.journal.of("decision"):
        for signal, age in decision.facts["ages"].items():
            old = age > MAX_AGE + _TWO_STEPS
            assert signal in _NO_SIGNALS or not old, f"{decision}: {signal} is {age:.0f} s old"


def traffic_dwells(world: World) -> None:
    """Traffic does not move again within the dwell time, but away from pods that are not ready.

    It begins with the decision: a process that dies carries its move out when it is back. A clock
    that is set forward makes time pass; a person may force it; a policy that is new, edited or
    without its memory, or whose Service is new, does not know of the move before.
    """
    for target in world.targets:
        moves = [one for one in world.journal.of("move") if one.facts["service"] == target.service]
        for before, move in pairwise(moves):
            excused = not move.facts["before_ready"] or any(
                one.facts.get("seconds", 1.0) > 0
                for one in world.journal.of("memory", "mode", "jump", "service", "force")
                if before.at - MIN_DWELL <= one.at <= move.at
            )
            begun = [one for one in world.journal.of("decision") if one.at <= before.at] or [before]
            stayed = max(move.at - begun[-1].at, move.api - begun[-1].api)
            assert excused or stayed >= MIN_DWELL - 1, f"{move}: after {stayed:.0f} s"


def watching_changes_nothing(world: World) -> None:
    """DryRun and Suspend decide nothing; what was begun before is carried to its end.

    Where the memory of the traffic went, with its status or by a clock that was set back, the
    traffic of a policy that only watches still goes to the champion.
    """
    forgot = [one.at for one in world.journal.of("memory", "jump")]
    for target in world.targets:
        for entry in world.journal.of("decision", "job", "move", "alias", "roll"):
            if not concerns(entry, target) or not _only_watched(world, entry, target):
                continue
            begun = entry.facts.get("promotions") if entry.kind in {"alias", "roll"} else False
            if entry.kind == "move":
                wanted = "Champion" if entry.facts["to"] == target.champion else "Fallback"
                unknown = "" in entry.facts["intended"] and min(forgot, default=entry.at) < entry.at
                begun = wanted in entry.facts["intended"] or unknown
            assert begun, f"{entry}: its policy only watches"


def requests_are_carried_out_once(world: World) -> None:
    """Not more is begun by request than was requested, also after the memory was lost."""
    for what, reason in _REQUESTS.items():
        asked = [one for one in world.journal.of("request") if one.facts["what"] == what]
        begun = [one for one in world.journal.of("decision") if reason in one.facts["because"]]
        for number, decision in enumerate(begun, 1):
            before = [one for one in asked if one.at <= decision.at]
            assert number <= len(before), f"{decision}: was not asked for, or before"


def alias_goes_back_for_a_reason(world: World) -> None:
    """An alias leaves what serves for the version before by a verdict, or by a request, alone.

    Each move is one that the Service remembers: of a promotion, of one whose pods do not come up,
    or of a rollback. A Service that is gone remembers nothing.
    """
    gone = bool(world.journal.of("service gone"))
    for move in world.journal.of("alias"):
        noted = [json.loads(one) for one in move.facts["promotions"]]
        noted = [one for one in noted if one["model"] == move.facts["model"]]
        assert noted or gone, f"{move}: no Service remembers it"
        for one in noted:
            versions = {move.facts["to"], move.facts["before"]}
            assert versions == {one["candidate"], one["champion"]}, f"{move}: is not {one}"
            assert "rollback" not in one or _has_reason(world, move, one), f"{move}: for nothing"


def _has_reason(world: World, move: Entry, rollback: Mapping[str, Any]) -> bool:
    if rollback["rollback"] == "Request":
        found = [one for one in world.journal.of("request") if one.facts["what"] == "rollback"]
    else:
        found = [
            one
            for one in world.journal.of("verdict")
            if (one.facts["result"], one.facts["of"]) == ("Worse", rollback["champion"])
        ]
    return any(one.facts["policy"] == rollback["policy"] and one.at <= move.at for one in found)


def one_job_a_look(world: World) -> None:
    """No look has two Jobs, unless a hand deleted the first one."""
    made: dict[str, float] = {}
    deleted = [one.at for one in world.journal.of("jobs deleted")]
    for look in world.journal.of("look"):
        before = made.get(look.facts["name"])
        again = before is not None and not any(before <= at <= look.at for at in deleted)
        assert not again, f"{look}: was made before"
        made[look.facts["name"]] = look.at


def no_defects(world: World) -> None:
    """Nothing that the world does is an error that nobody expected."""
    assert not world.journal.of("defect")


def neighbour_is_left_alone(world: World, neighbour: Target) -> None:
    """A healthy policy beside others has no action, whatever befalls them."""
    touched = [
        one
        for one in world.journal.of("decision", "job", "move", "alias", "roll")
        if concerns(one, neighbour)
    ]
    assert not touched, f"{touched[0]}: nothing asked for it"


def alias_rests_on_a_version_that_starts(world: World) -> None:
    """Once there is rest, the alias is on a version that pods can load, and all pods have it."""
    for target in world.targets:
        version = world.models.champion(target.model)
        assert version not in world.models.not_loadable, f"{target}: {version} does not start"
        template = world.workloads.template(target.champion).get(MODEL_VERSION_ANNOTATION)
        assert template in {None, version}, f"{target}: pods are told {template}, not {version}"
        loaded = world.workloads.versions(target.champion)
        assert loaded == {version}, f"{target}: pods have {loaded}, and not {version}"


_OPEN = {"Starting", "Running", "Backoff", "Promoting", "Observing", "RollingBack"}


def obligations_end(world: World) -> None:
    """Once there is rest, no run, no promotion, no observation and no switch is open."""
    assert not world.namespace.promotions(), "a promotion is open"
    for policy in world.objects.all(POLICIES):
        status, name = policy.get("status") or {}, policy["metadata"]["name"]
        state = (status.get("run") or {}).get("state")
        assert state not in _OPEN, f"{name}: is {state}"
        traffic = status.get("traffic") or {}
        swapping = "since" in traffic and "lastSwapSeconds" not in traffic
        assert not swapping, f"{name}: its switch to the {traffic['active']} did not end"


def notices_are_told(world: World) -> None:
    """Once there is rest, nothing is left to be told."""
    for policy in world.objects.all(POLICIES):
        for entry in (policy.get("status") or {}).get("history") or []:
            due = due_of(entry) if world.hook is not None else None
            assert due is None, f"{policy['metadata']['name']}: {entry} is not told: {due}"


def served(world: World) -> None:
    """Once there is rest, every policy that is not in another's way is served."""
    for policy in world.objects.all(POLICIES):
        conditions = (policy.get("status") or {}).get("conditions") or []
        ready = next(one for one in conditions if one["type"] == "Ready")
        fine = ready["status"] == "True" or ready["reason"] == "TargetConflict"
        assert fine, f"{policy['metadata']['name']}: {ready['reason']}: {ready['message']}"


ALWAYS = (
    one_run_at_a_time, budget_holds, traffic_goes_to_ready_pods, actions_have_current_signals,
    traffic_dwells, watching_changes_nothing, requests_are_carried_out_once,
    alias_goes_back_for_a_reason, one_job_a_look, no_defects,
)  # fmt: skip
AT_REST = (
    alias_rests_on_a_version_that_starts, obligations_end, notices_are_told, served,
)  # fmt: skip


def _window_before(start: Entry, runs: Sequence[Entry]) -> list[Entry]:
    """Return the runs of the window that ends with the start of one of them."""
    return [
        run
        for run in runs
        if 0 <= start.api - run.api < _SHORTEST_WINDOW and run.at <= start.at
    ]  # fmt: skip


def _runs(world: World, key: str) -> Iterator[Sequence[Entry]]:
    """Return the first Jobs of runs, by what they have in common."""
    first: dict[str, dict[tuple[str, int], Entry]] = {}
    for job in world.journal.of("job"):
        run = job.facts["uid"], job.facts["number"]
        first.setdefault(job.facts[key], {}).setdefault(run, job)
    yield from (list(runs.values()) for runs in first.values())


def _forgot_runs(world: World, begin: float, end: float) -> bool:
    """Tell whether runs between two times are not known any more, or were written by a hand."""
    lost = [one for one in world.journal.of("jobs deleted", "memory") if begin <= one.at <= end]
    return len({one.kind for one in lost}) == 2 or any(one.facts.get("run") for one in lost)


def concerns(entry: Entry, target: Target) -> bool:
    """Tell whether something was done to what belongs to a policy."""
    facts = entry.facts
    return target.policy == facts.get("policy") or bool(
        {facts.get("service"), facts.get("model"), facts.get("deployment")}
        & {target.service, target.model, target.champion}
    )


def _only_watched(world: World, entry: Entry, target: Target) -> bool:
    """Tell whether the policies of a target only watched at a time, and for a while already."""
    modes: dict[str, str] = {}
    for one in world.journal.of("mode"):
        if one.facts["service"] != target.service or one.at > entry.at:
            continue
        if one.at > entry.at - _UNAWARE:
            return False
        modes[one.facts["policy"]] = one.facts["mode"]
    if "policy" in entry.facts:
        modes = {name: one for name, one in modes.items() if name == entry.facts["policy"]}
    spoken = {mode for mode in modes.values() if mode}
    return bool(spoken) and _ENFORCE not in spoken
