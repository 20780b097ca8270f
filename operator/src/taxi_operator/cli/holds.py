"""What holds a decision back, with its figures, for people. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from taxi_operator.cli.sight import Sight
from taxi_operator.core.decisions import next_start, pause_after, recent
from taxi_operator.core.readiness import GRACE_SECONDS
from taxi_operator.core.signals import SignalState
from taxi_operator.memory.run import Run, RunState
from taxi_operator.spec.freeze import frozen_until
from taxi_operator.times import text_of


def hold_text(reason: str, sight: Sight) -> str:
    """Return what a reason to do nothing means here and now."""
    tell = _TEXTS.get(reason)
    return tell(sight) if tell else _WORDS.get(reason, "")


def dwell_until(sight: Sight) -> float | None:
    """Return until when the traffic may not move again, None when it may."""
    fallback, since = sight.policy.fallback, sight.facts.traffic_since
    if fallback is None or since is None:
        return None
    end = since + fallback.min_dwell_seconds
    return end if end > sight.seen.now else None


def _cooldown(sight: Sight) -> str:
    facts, retrain = sight.facts, sight.policy.retrain
    assert retrain is not None
    assert facts.last_run_ended_at is not None
    well = "well" if facts.last_run_succeeded else "without a promotion"
    free = facts.last_run_ended_at + pause_after(retrain, succeeded=facts.last_run_succeeded)
    ended = text_of(facts.last_run_ended_at)
    return f"the last run ended {well} at {ended}; none starts by a rule before {text_of(free)}"


def _budget(sight: Sight) -> str:
    retrain = sight.policy.retrain
    assert retrain is not None
    count = len(recent(sight.facts.run_starts, sight.facts.now))
    free = text_of(next_start(retrain, sight.facts))
    return f"{count} of {retrain.max_per_day} runs within 24 h; the next one from {free}"


def _dwell(sight: Sight) -> str:
    since, until = text_of(sight.facts.traffic_since), text_of(dwell_until(sight))
    return f"the traffic moved at {since}, and does not move again before {until}"


def _fallback_not_ready(sight: Sight) -> str:
    fallback = sight.policy.fallback
    least = fallback.min_ready if fallback else 1
    return f"{sight.facts.fallback_ready} of {least} pods of the fallback are ready"


def _settling(sight: Sight) -> str:
    fallback = sight.policy.fallback
    dwell = fallback.min_dwell_seconds if fallback else 0.0
    free = sight.facts.champion.since + max(dwell, GRACE_SECONDS)
    later = dwell_until(sight)
    return f"the champion has to stay ready until {text_of(max(free, later or 0.0))}"


def _stays(sight: Sight) -> str:
    readings = {one.name: one for one in sight.seen.readings or ()}
    left = [
        name
        for name in sorted(sight.policy.fallback_rule.signals)
        if name not in readings
        or not (readings[name].state is SignalState.HEALTHY and readings[name].recovered)
    ]
    return f"not healthy for the whole time of exit: {', '.join(left)}" if left else ""


def _forced(sight: Sight) -> str:
    force = sight.policy.force
    return f"until {text_of(force.until)}: {force.reason}" if force else ""


_TEXTS: Final[Mapping[str, Callable[[Sight], str]]] = {
    "Cooldown": _cooldown,
    "BudgetExhausted": _budget,
    "MinDwell": _dwell,
    "FallbackNotReady": _fallback_not_ready,
    "ChampionSettling": _settling,
    "FallbackStays": _stays,
    "Forced": _forced,
}
_WORDS: Final[Mapping[str, str]] = {
    "ChampionNotReady": "no pod of the champion is ready",
    "ManualRestore": "spec.fallback.restore is Manual: taxi-policy force --to Champion moves it",
    "Suspended": "spec.mode is Suspend",
    "CronJobMissing": "the CronJob that Jobs are made from is not there",
    "JobsUnknown": "the policy's Jobs could not be seen",
    "JobUnfinished": "a Job of a run that is not waited for has not ended",
    "ChampionMissing": "the champion's Deployment is not there",
}


def waits_for(run: Run, sight: Sight) -> str:
    """Return what an open run waits for."""
    tell = _WAITS.get(run.state)
    return tell(run, sight) if tell else str(run.state)


def _look(run: Run, _sight: Sight) -> str:
    looks = run.looks
    if looks is None or looks.job_name is not None:
        return f"the verdict of Job {looks.job_name if looks else ''}"
    return f"the look at what became of {run.candidate}, at {text_of(looks.at)}"


def _rollout(run: Run, _sight: Sight) -> str:
    return f"the rollout of {run.deployment}, since {text_of(run.promoting_since)}"


def _window(_run: Run, sight: Sight) -> str:
    end = frozen_until(sight.policy.freeze_windows, sight.seen.now)
    return f"the end of a freeze window at {text_of(end)}"


_WAITS: Final[Mapping[RunState, Callable[[Run, Sight], str]]] = {
    RunState.STARTING: lambda run, _: f"its Job {run.job_name}",
    RunState.RUNNING: lambda run, _: f"the verdict of Job {run.job_name}",
    RunState.BACKOFF: lambda run, _: f"attempt {run.attempt + 1} at {text_of(run.next_attempt_at)}",
    RunState.AWAITING_APPROVAL: lambda _, sight: (
        f"approval: taxi-policy approve {sight.found['metadata']['name']}"
    ),
    RunState.FROZEN: _window,
    RunState.PROMOTING: _rollout,
    RunState.ROLLING_BACK: _rollout,
    RunState.OBSERVING: _look,
}
