"""Steps of a retrain run: what each makes of the status, and what people are told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from taxi_domain.figures import figure
from taxi_operator.memory.status import Run, RunState, Status
from taxi_store.registry.runs import RunEntry


@dataclass(frozen=True, slots=True)
class Step:
    """What a step made of the status, and what people are told."""

    status: Status
    event: tuple[str, str] | None = None
    warning: bool = False
    already_existed: bool = False


#: Figures of a comparison: all of them, or none is shown.
_GAIN: Final = {"gain", "ci_low", "ci_high", "champion_rmse", "candidate_rmse"}
_REASONS: Final = {
    RunState.PROMOTED: "CandidatePromoted",
    RunState.REFUSED: "CandidateRefused",
    RunState.FAILED: "RetrainFailed",
    RunState.ABANDONED: "RetrainAbandoned",
}


def ended(status: Status, run: Run, state: RunState, message: str, now: float) -> Step:
    """Return the last step of a run."""
    over = replace(run, state=state, ended_at=now, next_attempt_at=None, message=message)
    return Step(
        replace(status, run=over),
        (_REASONS[state], f"decision {run.number}: {message}"),
        warning=state is RunState.FAILED,
    )


def abandoned(status: Status, why: str, now: float) -> Step:
    """Return what ends a run whose verdict is not waited for; nothing when there is none.

    A promotion is no such run: it is carried to its end or back.
    """
    run = status.run
    if run is None or not run.is_open or run.state is RunState.PROMOTING:
        return Step(status)
    # Nobody knows what the verdict is worth when decisions are made again.
    return ended(status, run, RunState.ABANDONED, f"{why}: the verdict is not waited for", now)


def candidate_of(report: RunEntry, state: str) -> dict[str, Any]:
    """Return what a status shows of a candidate: numbers as texts, errors in its unit."""
    numbers: Mapping[str, float] = report.numbers
    shown: dict[str, Any] = {"state": state, "verdict": str(report.result)}
    if report.reason:
        shown["reason"] = report.reason
    if report.candidate:
        shown["version"] = report.candidate
    if numbers.keys() >= _GAIN:
        shown["gain"] = f"{numbers['gain']:.4f}"
        shown["ci"] = [f"{numbers['ci_low']:.4f}", f"{numbers['ci_high']:.4f}"]
        shown["championRmse"] = figure(numbers["champion_rmse"])
        shown["candidateRmse"] = figure(numbers["candidate_rmse"])
    if "fallback_rmse" in numbers:
        shown["fallbackRmse"] = figure(numbers["fallback_rmse"])
    if "evaluated_rows" in numbers:
        shown["evaluatedRows"] = int(numbers["evaluated_rows"])
    shown["message"] = report.message
    return shown
