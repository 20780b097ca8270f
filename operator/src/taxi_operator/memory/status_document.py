"""The form in which a policy's status is kept: read from what may be anybody's, and written."""

import math
from collections.abc import Mapping
from typing import Any, Final

from taxi_operator.core.decisions import Traffic
from taxi_operator.core.readiness import Readiness
from taxi_operator.memory.fields import Fields
from taxi_operator.memory.requests import earlier_of, requests_document, requests_of
from taxi_operator.memory.run import run_document, run_of
from taxi_operator.memory.shadow import (
    FORCED_BY_HAND,
    RESCUED,
    reason_of,
    shadow_document,
    shadow_of,
)
from taxi_operator.memory.status import MAX_HISTORY, Document, Status
from taxi_operator.times import text_of

#: Fields that resources of earlier releases do not have, of the whole and of a run; and those that
#: they have of a decision.
_NEW: Final = {"dryRun", "requests"}
_OLD_IN_DECISION: Final = {"id", "number", "action", "because", "at"}
_NEW_IN_RUN: Final = {"cronJobName", "gate", "observation", "byRequest", "aliasRevision"}
#: No run waits longer for the one before it, seconds.
_MAX_PAUSE: Final = 31 * 86_400.0
_MAX_CONDITIONS: Final = 16
_MAX_SIGNALS: Final = 16
_MAX_BECAUSE: Final = 16


def status_of(document: object, now: float = math.inf) -> Status:
    """Read a status; what is not there, or cannot be read, is at its beginning.

    A release before or after this one, or a person, may have written it: nothing in it may stop
    the operator. Times that lie ahead of `now` are read as `now`.
    """
    notes: dict[str, str] = {}
    found = Fields(document, "", now, notes)
    traffic = found.part("traffic")
    active = traffic.word("active", Traffic)
    decision = _decision(found.part("decision"))
    history = [_decision(one) for one in found.parts("history", MAX_HISTORY)]
    known = [one for one in history if one is not None]
    signals = [
        shown for one in found.parts("signals", _MAX_SIGNALS) if (shown := _signal(one))
    ]  # fmt: skip
    conditions = [_condition(one) for one in found.parts("conditions", _MAX_CONDITIONS)]
    return Status(
        number=max((one["number"] for one in (decision, *known) if one), default=0),
        decision=decision,
        run=run_of(found.part("run")),
        candidate=_candidate(found.part("candidate")),
        traffic=active or Traffic.CHAMPION,
        traffic_known=active is not None,
        traffic_since=traffic.time("since") if active else None,
        last_swap_seconds=traffic.seconds("lastSwapSeconds") if active else None,
        rescued=traffic.text("reason") == RESCUED,
        forced=traffic.text("reason") == FORCED_BY_HAND,
        requests=requests_of(found.part("requests")),
        earlier_requests=earlier_of(found.part("requests")),
        champion=_champion(traffic),
        reset_at=found.time("signalsResetAt"),
        breached={one["name"]: bool(one.get("breached")) for one in signals},
        signals=signals or (),
        conditions=tuple(one for one in conditions if one is not None),
        history=tuple(known),
        budget=_budget(found.part("budget")),
        shadow=shadow_of(found.part("dryRun")),
        unreadable=notes,
    )


def traffic_of(document: object) -> Traffic | None:
    """Read where a status has the traffic, and nothing else; None when it does not know."""
    return Fields(document, "", math.inf, {}).part("traffic").word("active", Traffic)


def document_of(status: Status, generation: int) -> Document:
    """Return the form that is written; empty parts are left out."""
    traffic = {
        "active": str(status.traffic) if status.traffic_known else None,
        "since": text_of(status.traffic_since),
        "lastSwapSeconds": (
            None if status.last_swap_seconds is None else f"{status.last_swap_seconds:.2f}"
        ),
        "reason": reason_of(rescued=status.rescued, forced=status.forced),
        "championReadyPods": status.champion.pods if status.champion else None,
        "championSince": text_of(status.champion.since) if status.champion else None,
    }
    parts: Document = {
        "observedGeneration": generation,
        "conditions": list(status.conditions),
        "signals": list(status.signals),
        "decision": status.decision,
        "run": run_document(status.run),
        "candidate": status.candidate,
        "traffic": {name: value for name, value in traffic.items() if value is not None},
        "budget": status.budget,
        "signalsResetAt": text_of(status.reset_at),
        "history": list(status.history),
        "requests": requests_document(status.requests, status.earlier_requests),
        "dryRun": shadow_document(status.shadow),
    }
    return {name: value for name, value in parts.items() if value not in (None, [], {})}


def for_older_resource(document: Document) -> Document:
    """Return the form of a status without what resources of earlier releases do not have."""
    kept = {name: value for name, value in document.items() if name not in _NEW}
    if "run" in kept:
        run = kept["run"].items()
        kept["run"] = {name: value for name, value in run if name not in _NEW_IN_RUN}
    if "decision" in kept:
        kept["decision"] = _as_before(kept["decision"])
    if "history" in kept:
        kept["history"] = [_as_before(one) for one in kept["history"]]
    if "budget" in kept:
        budget = kept["budget"].items()
        kept["budget"] = {name: value for name, value in budget if name != "nextEligibleAt"}
    return kept


def _as_before(decision: Mapping[str, Any]) -> Document:
    return {name: value for name, value in decision.items() if name in _OLD_IN_DECISION}


def _champion(traffic: Fields) -> Readiness | None:
    pods, since = traffic.integer("championReadyPods"), traffic.time("championSince")
    return None if pods is None or since is None else Readiness(pods, since)


def _decision(found: Fields) -> Mapping[str, Any] | None:
    if not found.found:
        return None
    shown: Document = {
        "id": found.text("id"), "number": found.integer("number"), "action": found.text("action"),
        "because": found.texts("because", _MAX_BECAUSE) if "because" in found.found else None,
        "at": text_of(found.time("at")),
        "reportURL": found.text("reportURL"), "reportFrom": text_of(found.time("reportFrom")),
        "reportJobName": found.text("reportJobName"),
        "reportMessage": found.text("reportMessage"),
        "outcome": found.text("outcome"), "endedAt": text_of(found.time("endedAt")),
        "candidate": found.text("candidate"), "gain": found.text("gain"),
        "seconds": found.text("seconds"), "message": found.text("message"),
        "notice": found.text("notice"),
    }  # fmt: skip
    if shown["number"] is None:
        found.note("", "has no number")
        return None
    return {name: value for name, value in shown.items() if value is not None}


def _signal(found: Fields) -> Mapping[str, Any] | None:
    shown: Document = {
        "name": found.text("name"), "state": found.text("state"),
        "breached": found.found.get("breached") is True, "message": found.text("message"),
        "value": found.text("value"), "samples": found.integer("samples"),
        "explanation": found.text("explanation"),
    }  # fmt: skip
    if not shown["name"]:
        found.note("", "has no name")
        return None
    return {name: value for name, value in shown.items() if value is not None}


def _condition(found: Fields) -> Mapping[str, Any] | None:
    kind, status, since = found.text("type"), found.text("status"), found.time("lastTransitionTime")
    if not kind or not status or since is None:
        found.note("", "is not complete")
        return None
    return {
        "type": kind, "status": status, "reason": found.text("reason") or "",
        "message": found.text("message") or "",
        "observedGeneration": found.integer("observedGeneration") or 0,
        "lastTransitionTime": text_of(since),
    }  # fmt: skip


def _candidate(found: Fields) -> Mapping[str, Any] | None:
    """Return what is shown of a candidate: texts, but for three fields."""
    shown: Document = {}
    for name in found.found:
        if name == "ci":
            shown[name] = found.texts(name, 2)
        elif name in {"evaluatedRows", "observedRows"}:
            shown[name] = found.integer(name)
        else:
            shown[name] = found.text(name)
    return {name: value for name, value in shown.items() if value is not None} or None


def _budget(found: Fields) -> Mapping[str, Any] | None:
    runs, most = found.integer("runsInWindow"), found.integer("maxRuns")
    if runs is None or most is None:
        return None
    # Of the future, so that it is no time that can have been seen.
    free = text_of(found.time("nextEligibleAt", ahead=_MAX_PAUSE))
    return {
        "runsInWindow": runs, "maxRuns": most, **({"nextEligibleAt": free} if free else {})
    }  # fmt: skip
