"""A policy's status: what the operator has to remember, and what people want to see."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from taxi_operator.core.decisions import Decision, Traffic
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.memory.fields import Fields
from taxi_operator.memory.requests import (
    REFUSED,
    earlier_of,
    requests_document,
    requests_of,
    with_earlier,
)
from taxi_operator.memory.run import Run, run_document, run_of
from taxi_operator.memory.shadow import (
    FORCED_BY_HAND,
    RESCUED,
    Shadow,
    reason_of,
    shadow_document,
    shadow_of,
)
from taxi_operator.times import text_of

Document = dict[str, Any]

#: Fields that resources of earlier releases do not have, of the whole and of a run; and those that
#: they have of a decision.
_NEW: Final = {"dryRun", "requests"}
_OLD_IN_DECISION: Final = {"id", "number", "action", "because", "at"}
_NEW_IN_RUN: Final = {"cronJobName", "gate", "observation", "byRequest", "aliasRevision"}
_MAX_HISTORY: Final = 20
#: No run waits longer for the one before it, seconds.
_MAX_PAUSE: Final = 31 * 86_400.0
_MAX_CONDITIONS: Final = 16
_MAX_SIGNALS: Final = 16
_MAX_BECAUSE: Final = 16


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that survives a restart of the operator."""

    number: int = 0
    decision: Mapping[str, Any] | None = None
    run: Run | None = None
    candidate: Mapping[str, Any] | None = None
    traffic: Traffic = Traffic.CHAMPION
    #: False until somebody looked at the Service: the status is new, or was lost.
    traffic_known: bool = False
    traffic_since: float | None = None
    last_swap_seconds: float | None = None
    #: The fallback serves since the champion was unavailable.
    rescued: bool = False
    #: The traffic was moved by hand.
    forced: bool = False
    #: The requests that were taken up, by the word for each; None: nobody looked at them yet.
    requests: Mapping[str, str] | None = None
    #: Those before them, each behind the word for it, oldest first.
    earlier_requests: tuple[str, ...] = ()
    #: How ready the champion was at the last look; remembered while something depends on it.
    champion: Readiness | None = None
    reset_at: float | None = None
    breached: Mapping[str, bool] = field(default_factory=dict)
    signals: Sequence[Mapping[str, Any]] = ()
    conditions: Sequence[Mapping[str, Any]] = ()
    history: tuple[Mapping[str, Any], ...] = ()
    budget: Mapping[str, Any] | None = None
    #: What a dry run would have done; None in any other mode.
    shadow: Shadow | None = None
    #: What could not be read, by part: it stands at its beginning here, and is not written.
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_swapping(self) -> bool:
        """Whether a switch of the traffic was decided and has not been seen to end."""
        return self.traffic_since is not None and self.last_swap_seconds is None

    def decided(
        self, number: int, decision: Decision, now: float, message: str = ""
    ) -> "Status":  # fmt: skip
        """Return the status with a decision written down."""
        entry = {
            "id": f"{number:04d}", "number": number, "action": str(decision.action),
            "because": list(decision.because), "at": text_of(now),
            **({"message": message} if message else {}),
        }  # fmt: skip
        # Nobody makes the report of an older decision any more.
        before = self.with_report(url=None, start=None) if self.report_is_open else self
        return replace(
            self, number=number, decision=entry,
            history=(entry, *before.history)[:_MAX_HISTORY],
        )  # fmt: skip

    def with_outcome(
        self, number: int, outcome: str, now: float, **figures: str | None
    ) -> "Status":
        """Return the status with what became of a decision; it is told once.

        Args:
            number: The decision.
            outcome: What became of it, as a word.
            now: When that was, seconds since the epoch.
            figures: Fields of the resource's `history` beside it; those without a value are not
                written.
        """
        told: Document = {"outcome": outcome, "endedAt": text_of(now)}
        told |= {name: value for name, value in figures.items() if value not in {None, ""}}

        def after(one: Mapping[str, Any]) -> Mapping[str, Any]:
            is_meant = one.get("number") == number and "outcome" not in one
            return {**one, **told} if is_meant else one

        # What a dry run would do stands under the number of what was decided last.
        newest = self.decision
        if newest is not None and not str(newest.get("action", "")).startswith("DryRun"):
            newest = after(newest)
        return replace(self, decision=newest, history=tuple(map(after, self.history)))

    def took(self, request: str, word: str) -> "Status":
        """Return the status with a request taken up: it acts once."""
        known = self.requests or {}
        earlier = with_earlier(self.earlier_requests, request, known.get(request))
        return replace(self, requests={**known, request: word}, earlier_requests=earlier)

    def has_taken(self, request: str, word: str) -> bool:
        """Tell whether a request was taken up, now or before."""
        now = (self.requests or {}).get(request)
        return now == word or f"{request} {word}" in self.earlier_requests

    def refused(self, why: str) -> "Status":
        """Return the status with why the newest rollback was refused; empty: it was not."""
        known = {name: word for name, word in (self.requests or {}).items() if name != REFUSED}
        return replace(self, requests={**known, REFUSED: why} if why else known)

    @property
    def report_is_open(self) -> bool:
        """Whether the newest decision has a link to a report whose Job is not made yet."""
        found = self.decision or {}
        return found.keys() >= {"reportURL", "reportFrom", "at"} and "reportJobName" not in found

    def with_report(
        self, *, url: str | None, start: str | None, job: str | None = None, message: str = ""
    ) -> "Status":
        """Return the status with what is known of the newest decision's report.

        Args:
            url: Where it is, or is going to be.
            start: Begin of its span, which the decision ends (RFC 3339).
            job: Job that makes it, None before there is one.
            message: Why there is no Job, or what became of it.
        """
        assert self.decision is not None
        facts = {
            "reportURL": url, "reportFrom": start, "reportJobName": job, "reportMessage": message,
        }  # fmt: skip
        decision = {name: value for name, value in self.decision.items() if name not in facts}
        decision |= {name: value for name, value in facts.items() if value}
        number = decision["number"]
        history = tuple(decision if one["number"] == number else one for one in self.history)
        return replace(self, decision=decision, history=history)

    @property
    def reports_under_way(self) -> tuple[Mapping[str, Any], ...]:
        """Decisions whose reports have a Job that has not been seen to end."""
        return tuple(
            one for one in self.history if "reportJobName" in one and "reportMessage" not in one
        )

    def with_report_message(self, decision: Mapping[str, Any], message: str) -> "Status":
        """Return the status with what became of the Job of a decision's report."""
        told = {**decision, "reportMessage": message}
        history = tuple(told if one == decision else one for one in self.history)
        # A dry run may have taken the place of the newest decision.
        newest = told if self.decision == decision else self.decision
        return replace(self, decision=newest, history=history)

    def with_notice(self, decision: Mapping[str, Any], word: str) -> "Status":
        """Return the status with what a decision remembers of its notices."""
        told = {**decision, "notice": str(word)}
        history = tuple(told if one == decision else one for one in self.history)
        newest = told if self.decision == decision else self.decision
        return replace(self, decision=newest, history=history)

    def without_traffic(self) -> "Status":
        """Return the status without a memory of the traffic: another policy moves it now.

        When this one acts again it asks the Service, so that an old memory moves nothing.
        """
        return replace(
            self, traffic=Traffic.CHAMPION, traffic_known=False, traffic_since=None,
            last_swap_seconds=None, rescued=False, forced=False,
        )  # fmt: skip

    def forgotten(self) -> "Status":
        """Return the status with all signals unknown: they spoke of another model."""
        unknown = [
            {"name": one["name"], "state": str(SignalState.UNKNOWN), "breached": False}
            for one in self.signals
        ]
        return replace(self, signals=unknown, breached=dict.fromkeys(self.breached, False))

    def read(self, readings: Sequence[Reading]) -> "Status":
        """Return the status with the signals of a reconcile."""
        shown = [
            {
                "name": one.name, "state": str(one.state),
                "breached": one.breached, "message": one.reason,
                **({} if one.value is None else {"value": f"{one.value:.6g}"}),
                **({} if one.samples is None else {"samples": int(one.samples)}),
                **({"explanation": one.explanation} if one.explanation else {}),
            }
            for one in readings
        ]  # fmt: skip
        return replace(self, breached={one.name: one.breached for one in readings}, signals=shown)


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
    history = [_decision(one) for one in found.parts("history", _MAX_HISTORY)]
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
