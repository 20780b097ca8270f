"""What is told of a policy that was looked at. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from taxi_operator.cli.holds import dwell_until, hold_text, waits_for
from taxi_operator.cli.sight import Sight
from taxi_operator.core.decisions import Traffic, next_start, recent
from taxi_operator.core.signals import SignalState
from taxi_operator.plan.effects import Effect
from taxi_operator.plan.plan import Plan
from taxi_operator.replay.story import signal_document
from taxi_operator.spec.policy import Rule
from taxi_operator.times import text_of

Document = dict[str, Any]


def explanation_of(sight: Sight) -> Document:
    """Return what is told, as JSON can hold it."""
    return {
        "policy": sight.found["metadata"]["name"],
        "mode": str(sight.policy.mode),
        "now": text_of(sight.seen.now),
        "claimedBy": sight.holder,
        "notKnown": list(sight.unknown),
        "signals": [signal_document(one) for one in sight.seen.readings or ()],
        "rules": {
            "retrain": _groups(sight, sight.policy.retrain_rule),
            "fallback": _groups(sight, sight.policy.fallback_rule),
        },
        "traffic": _traffic(sight),
        "retrain": _retrain(sight),
        "run": _run(sight),
        "holds": [{"reason": one, "message": hold_text(one, sight)} for one in sight.holds],
        "next": [_step(name, plan) for name, plan in sight.steps.items() if _says(plan)],
    }


def _groups(sight: Sight, rule: Rule) -> list[Document]:
    readings = {one.name: one for one in sight.seen.readings or ()}
    found = []
    for group in rule.any_of:
        missing = {
            name: str(readings[name].state) if name in readings else str(SignalState.UNKNOWN)
            for name in sorted(group)
            if name not in readings or readings[name].state is not SignalState.BREACHED
        }
        found.append({"allOf": sorted(group), "fires": not missing, "missing": missing})
    return found


def _traffic(sight: Sight) -> Document:
    target, status, policy = sight.seen.target, sight.status, sight.policy
    fallback = policy.fallback
    shown: Document = {
        "active": str(status.traffic), "since": text_of(status.traffic_since),
        "selected": str(target.selected) if target and target.selected else None,
        "because": "ChampionUnavailable" if status.rescued else "Forced" if status.forced else None,
        "championReady": target.ready[Traffic.CHAMPION] if target else None,
        "fallbackReady": target.ready[Traffic.FALLBACK] if target and fallback else None,
        "minReady": fallback.min_ready if fallback else None,
        "dwellUntil": text_of(dwell_until(sight)),
    }  # fmt: skip
    return {name: value for name, value in shown.items() if value is not None}


def _retrain(sight: Sight) -> Document | None:
    retrain, facts = sight.policy.retrain, sight.facts
    if retrain is None:
        return None
    free = next_start(retrain, facts)
    shown: Document = {
        "runsWithin24h": len(recent(facts.run_starts, facts.now)),
        "maxPerDay": retrain.max_per_day,
        "lastRunEndedAt": text_of(facts.last_run_ended_at),
        "nextEligibleAt": text_of(free) if free > facts.now else None,
        "blocked": facts.retrain_blocked or None,
        "asked": facts.retrain_asked or None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _run(sight: Sight) -> Document | None:
    run = sight.status.run
    if run is None:
        return None
    shown: Document = {
        "number": run.number, "attempt": run.attempt, "state": str(run.state),
        "open": run.is_open, "startedAt": text_of(run.started_at),
        "endedAt": text_of(run.ended_at), "candidate": run.candidate,
        "waitsFor": waits_for(run, sight) if run.is_open else None, "message": run.message or None,
    }  # fmt: skip
    return {name: value for name, value in shown.items() if value is not None}


def _says(plan: Plan) -> bool:
    """Tell whether a step does more than to remember what is seen."""
    return any((plan.first, plan.then, plan.note, plan.decision, plan.problem))


def _step(part: str, plan: Plan) -> Document:
    decision = plan.decision
    shown: Document = {
        "part": part,
        "decision": str(decision.action) if decision else None,
        "because": list(decision.because) if decision else None,
        "effects": [effect_text(one) for one in (*plan.first, *plan.then)],
        "note": f"{plan.note.reason}: {plan.note.message}" if plan.note else None,
        "problem": str(plan.problem) if plan.problem else None,
    }
    return {name: value for name, value in shown.items() if value not in (None, [])}


def effect_text(effect: Effect) -> str:
    """Return what an effect would change, in a few words."""
    names = [name for name in effect.__slots__ if isinstance(getattr(effect, name), str)]
    values = " ".join(str(getattr(effect, name)) for name in names)
    manifest: Mapping[str, Any] = getattr(effect, "manifest", {})
    return f"{type(effect).__name__} {manifest.get('metadata', {}).get('name', values)}"


def lines_of(told: Document) -> Iterator[str]:
    """Yield what is told, as lines for people."""
    yield f"{told['policy']} ({told['mode']}) at {told['now']}"
    if told["claimedBy"]:
        yield f"  another policy claims the target, too: {told['claimedBy']}; the older one acts"
    yield from (f"  not known: {one}" for one in told["notKnown"])
    yield "signals"
    yield from map(_signal_line, told["signals"])
    for name, groups in told["rules"].items():
        yield from (_group_line(name, group) for group in groups)
    for name in ("traffic", "retrain", "run"):
        if told[name] is not None:
            yield f"{name}: {_fields(told[name])}"
    yield from (f"held by {one['reason']}: {one['message']}" for one in told["holds"])
    yield from (f"next: {_fields(one)}" for one in told["next"])
    if not told["next"] and not told["holds"]:
        yield "next: nothing; no rule asks for anything"


def _signal_line(one: Document) -> str:
    latch = " (still breached)" if one["breached"] and one["state"] != "Breached" else ""
    return f"  {one['name']}: {one['state']}{latch}: {one['message']}"


def _group_line(name: str, group: Document) -> str:
    missing = ", ".join(f"{one} is {state}" for one, state in group["missing"].items())
    says = "fires" if group["fires"] else f"does not fire: {missing}"
    return f"rule {name}: {' and '.join(group['allOf'])}: {says}"


def _fields(found: Document) -> str:
    return ", ".join(
        f"{name} {' and '.join(value) if isinstance(value, list) else value}"
        for name, value in found.items()
    )
