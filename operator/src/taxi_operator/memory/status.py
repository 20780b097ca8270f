"""A policy's status: what the operator has to remember, and what people want to see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from taxi_operator.core.decisions import Decision, Traffic
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.signals import Reading, SignalState
from taxi_operator.memory.requests import REFUSED, with_earlier
from taxi_operator.memory.run import Run
from taxi_operator.memory.shadow import Shadow
from taxi_operator.times import text_of

Document = dict[str, Any]

#: Decisions that are kept, the newest.
MAX_HISTORY: Final = 20


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
            history=(entry, *before.history)[:MAX_HISTORY],
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
