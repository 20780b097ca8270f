"""The JSON forms of what the monitor knows (minutes and shares)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from taxi_domain.durations import TARGET_MAXIMUM, TARGET_MINIMUM
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_profiles.verdict import NOT_EVALUATED, FeatureVerdict


def drift(state: State, model: str) -> dict[str, Any]:
    """Return the latest verdict of every version."""
    found = {one.role: evaluation for one, evaluation in state.evaluations()}
    return {
        "model": model,
        "problem": state.problem or None,
        "versions": [_drift(one, found.get(one.role)) for one in state.watched()],
    }


def performance(state: State, model: str) -> dict[str, Any]:
    """Return the latest errors of every version (minutes), of labels within the target's limits."""
    found = {one.role: evaluation for one, evaluation in state.evaluations()}
    return {
        "model": model,
        "problem": state.problem or None,
        "target_limits": [TARGET_MINIMUM, TARGET_MAXIMUM],
        "versions": [_performance(one, found.get(one.role)) for one in state.watched()],
    }


def _drift(watched: WatchedVersion, found: Evaluation | None) -> dict[str, Any]:
    inputs = found.inputs if found else None
    target = found.errors.features if found and found.errors else ()
    return {
        **_who(watched, found),
        "window": _window(found),
        "verdict": _verdict(found),
        "score_ratio": inputs.score_ratio if inputs else None,
        "drifted": list(inputs.drifted) if inputs else [],
        "features": _features((*inputs.features, *target) if inputs else target),
        "problems": dict(inputs.problems) if inputs else {},
    }


def _performance(watched: WatchedVersion, found: Evaluation | None) -> dict[str, Any]:
    error = found.errors.error if found and found.errors else None
    return {
        **_who(watched, found),
        "labelled_rows": found.labelled.rows if found else 0,
        "labels_outside_ratio": found.outside_ratio if found else None,
        "reference_rmse": watched.reference.error.rmse,
        "actual": None
        if error is None
        else {
            "rmse": error.rmse, "mae": error.mae, "bias": error.bias,
            "expected_rmse": error.expected_rmse, "limit": error.limit,
            "score_ratio": error.score_ratio,
            "problem": None if error.limit is not None else NOT_EVALUATED,
        },
    }  # fmt: skip


def _who(watched: WatchedVersion, found: Evaluation | None) -> dict[str, Any]:
    return {
        "model_role": watched.role,
        "model_version": watched.version,
        "reference_rows": watched.reference.rows,
        "evaluated_at": _iso(found.at) if found else None,
    }


def _verdict(found: Evaluation | None) -> str:
    """One word for people: what the window says."""
    if found is None or found.inputs is None:
        return "too few rides"
    if found.inputs.score_ratio is None:
        return NOT_EVALUATED if found.inputs.features else "too few rides"
    if found.alarm.raised:
        return "drift"
    return "threshold exceeded" if found.inputs.score_ratio >= 1 else "no drift"


def _window(found: Evaluation | None) -> dict[str, Any]:
    if found is None or not found.window.rows:
        return {"rows": 0, "from": None, "to": None, "without_pickup_time_ratio": None}
    return {
        "rows": found.window.rows,
        "from": _iso(found.window.start),
        "to": _iso(found.window.end),
        "without_pickup_time_ratio": found.window.untimed / found.window.rows,
    }


def _features(verdicts: Iterable[FeatureVerdict]) -> list[dict[str, Any]]:
    return [
        {
            "feature": one.feature, "method": one.method, "score": one.score,
            "stratified_score": one.stratified_score, "threshold": one.threshold,
            "score_ratio": one.score_ratio, "exceeded": one.exceeded, "decides": one.decides,
            "missing_ratio": one.missing_ratio, "unseen_ratio": one.unseen_ratio,
            "problem": one.problem or None,
        }
        for one in verdicts
    ]  # fmt: skip


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
