"""What a dry run would have done, remembered as if it had been done. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from taxi_operator.core.decisions import Action, Decision, Facts, Traffic
from taxi_operator.memory.fields import Fields
from taxi_operator.times import text_of

Document = dict[str, Any]

#: Why the fallback serves, or would, when it is not for a policy's rule.
RESCUED: Final = "ChampionUnavailable"
FORCED_BY_HAND: Final = "Forced"
_MAX_HISTORY: Final = 20
_MAX_RUNS: Final = 32
_MAX_BECAUSE: Final = 16


@dataclass(frozen=True, slots=True)
class Shadow:
    """The world as it would be.

    Attributes:
        traffic: Which predictor would answer.
        since: Since when, seconds since the epoch; None when it never moved.
        rescued: It would be the fallback since the champion was unavailable.
        forced: It would be the fallback since a person wants it there.
        run_starts: When runs would have started, newest first.
        history: What would have been decided, newest first.
    """

    traffic: Traffic
    since: float | None = None
    rescued: bool = False
    forced: bool = False
    run_starts: tuple[float, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()

    def over(self, facts: Facts) -> Facts:
        """Return facts as they would be.

        What a run would come to is not known: it is taken for one that ended well at once, so that
        the longer cooldown follows, and no second one before that.
        """
        real = (facts.last_run_ended_at, facts.last_run_succeeded)
        ends = [real] if facts.last_run_ended_at is not None else []
        last, has_succeeded = max([*ends, *((one, True) for one in self.run_starts)], default=real)
        return replace(
            facts, traffic=self.traffic, traffic_since=self.since, rescued=self.rescued,
            forced=self.forced,
            run_open=False, last_run_ended_at=last, last_run_succeeded=has_succeeded,
            run_starts=(*self.run_starts, *facts.run_starts),
        )  # fmt: skip

    def after(self, decision: Decision, now: float) -> "Shadow":
        """Return the world as it would be after a decision."""
        entry = {
            "action": str(decision.action), "because": list(decision.because), "at": text_of(now)
        }  # fmt: skip
        told = replace(self, history=(entry, *self.history)[:_MAX_HISTORY])
        if decision.action is Action.RETRAIN:
            return replace(told, run_starts=(now, *self.run_starts)[:_MAX_RUNS])
        if decision.action is Action.ROLLBACK:
            return told
        to = Traffic.FALLBACK if decision.action is Action.FALLBACK else Traffic.CHAMPION
        return replace(
            told, traffic=to, since=now, rescued=decision.is_rescue, forced=decision.is_forced
        )  # fmt: skip


def reason_of(*, rescued: bool, forced: bool) -> str | None:
    """Return the word for why the traffic is where it is, None when it is for a rule."""
    return RESCUED if rescued else FORCED_BY_HAND if forced else None


def shadow_of(found: Fields) -> Shadow | None:
    """Read what was written; None when there is nothing that can be used."""
    traffic = found.part("traffic")
    active = traffic.word("active", Traffic)
    if active is None:
        return None
    entries = [_entry(one) for one in found.parts("history", _MAX_HISTORY)]
    starts = [one.time("at") for one in found.parts("runs", _MAX_RUNS)]
    return Shadow(
        active,
        traffic.time("since"),
        traffic.text("reason") == RESCUED,
        traffic.text("reason") == FORCED_BY_HAND,
        tuple(one for one in starts if one is not None),
        tuple(one for one in entries if one),
    )


def shadow_document(shadow: Shadow | None) -> Document | None:
    """Return the form that is written."""
    if shadow is None:
        return None
    traffic = {
        "active": str(shadow.traffic), "since": text_of(shadow.since),
        "reason": reason_of(rescued=shadow.rescued, forced=shadow.forced),
    }  # fmt: skip
    parts: Document = {
        "traffic": {name: value for name, value in traffic.items() if value is not None},
        "runs": [{"at": text_of(one)} for one in shadow.run_starts],
        "history": list(shadow.history),
    }
    return {name: value for name, value in parts.items() if value}


def _entry(found: Fields) -> Mapping[str, Any]:
    action, at = found.text("action"), found.time("at")
    if not action or at is None:
        return {}
    because = found.texts("because", _MAX_BECAUSE)
    return {"action": action, "because": because, "at": text_of(at)}
