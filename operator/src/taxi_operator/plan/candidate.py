"""What a status shows of a candidate. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from taxi_domain.figures import figure
from taxi_store.registry.runs import RunEntry

#: Figures of a comparison: all of them, or none is shown.
_GAIN: Final = {"gain", "ci_low", "ci_high", "champion_rmse", "candidate_rmse"}


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
