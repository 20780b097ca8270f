"""The JSON forms of what the monitor knows (shares, and errors in the target's unit)."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from taxi_monitor.evidence.unserved import unserved_version
from taxi_monitor.http.verdict_forms import Newest, block_form
from taxi_monitor.page.evidence import evidence_of
from taxi_monitor.windows.state import State
from taxi_monitor.windows.versions import Evaluation, WatchedVersion
from taxi_profiles.verdict import NOT_EVALUATED, FeatureVerdict


def drift(
    state: State, model: str, newest: Callable[[str], Newest] = lambda _version: {}
) -> dict[str, Any]:
    """Return the latest verdict of every version.

    Args:
        state: Of the monitor.
        model: Name of the model.
        newest: Returns the newest judged blocks of a version.
    """

    def part(watched: WatchedVersion, evaluation: Evaluation | None) -> dict[str, Any]:
        found = newest(watched.version)
        return {**_drift(watched, evaluation), "evidence": _evidence(found) if found else None}

    return _form(state, model, part)


def with_rows(
    form: dict[str, Any],
    rows: State,
    newest: Callable[[str], Newest] = lambda _version: {},
    judging: Callable[[str], dict[str, Any] | None] = lambda _version: None,
) -> dict[str, Any]:
    """Return the form of all versions with the rows that nobody predicts.

    Args:
        form: Of what is served.
        rows: State of these rows.
        newest: Returns the newest judged blocks of a version.
        judging: Returns what is known of a version's verdict beside them.
    """

    def part(watched: WatchedVersion, evaluation: Evaluation | None) -> dict[str, Any]:
        version = unserved_version(watched.version)
        found = newest(version)
        return {
            **_drift(watched, evaluation), "evidence": _evidence(found) if found else None,
            "judging": judging(version),
        }  # fmt: skip

    return {**form, "versions": form["versions"] + _parts(rows, part)}


def performance(state: State, model: str) -> dict[str, Any]:
    """Return the latest errors of every version, of labels within the target's limits."""
    return _form(state, model, _performance)


def _form(
    state: State, model: str, part: Callable[[WatchedVersion, Evaluation | None], dict[str, Any]]
) -> dict[str, Any]:
    return {"model": model, "problem": state.problem or None, "versions": _parts(state, part)}


def _parts(
    state: State, part: Callable[[WatchedVersion, Evaluation | None], dict[str, Any]]
) -> list[dict[str, Any]]:
    evaluations = {watched.role: evaluation for watched, evaluation in state.evaluations()}
    return [part(watched, evaluations.get(watched.role)) for watched in state.watched()]


def _drift(watched: WatchedVersion, evaluation: Evaluation | None) -> dict[str, Any]:
    inputs = evaluation.inputs if evaluation else None
    target = evaluation.errors.features if evaluation and evaluation.errors else ()
    return {
        **_version(watched, evaluation),
        "columns": [column.name for column in watched.schema.columns],
        "event_time": watched.schema.event_time and watched.schema.event_time.name,
        "window": _window(watched, evaluation),
        "verdict": verdict_of(evaluation),
        "score_ratio": inputs.score_ratio if inputs else None,
        "drifted": list(inputs.drifted) if inputs else [],
        "features": _features((*inputs.features, *target) if inputs else target),
        "problems": dict(inputs.problems) if inputs else {},
        "named_scores": _named(evaluation),
    }


def _evidence(newest: Newest) -> dict[str, Any]:
    found = evidence_of(newest)
    sides = {str(side): block_form(block) for side, block in newest.items()}
    return {"state": found.state, "kind": found.kind, **sides}


def _performance(watched: WatchedVersion, evaluation: Evaluation | None) -> dict[str, Any]:
    error = evaluation.errors.error if evaluation and evaluation.errors else None
    target, expected = watched.schema.target, watched.reference.error
    return {
        **_version(watched, evaluation),
        "target_limits": [target.minimum, target.maximum],
        "labelled_rows": evaluation.labelled.rows if evaluation else 0,
        "labels_outside_ratio": evaluation.outside_ratio if evaluation else None,
        "reference_rmse": expected.rmse if expected is not None else None,
        "actual": None
        if error is None
        else {
            "rmse": error.rmse, "mae": error.mae, "bias": error.bias,
            "expected_rmse": error.expected_rmse, "limit": error.limit,
            "score_ratio": error.score_ratio,
            "problem": None if error.limit is not None else NOT_EVALUATED,
        },
    }  # fmt: skip


def _version(watched: WatchedVersion, evaluation: Evaluation | None) -> dict[str, Any]:
    return {
        "model_role": watched.role,
        "model_version": watched.version,
        "target": watched.schema.target.name,
        "unit": watched.schema.target.unit,
        "reference_rows": watched.reference.rows,
        "evaluated_at": _iso(evaluation.at) if evaluation else None,
    }


def verdict_of(evaluation: Evaluation | None) -> str:
    """One word for people: what the window says."""
    if evaluation is None or evaluation.inputs is None:
        return "too few rows"
    if evaluation.inputs.score_ratio is None:
        return NOT_EVALUATED if evaluation.inputs.features else "too few rows"
    if evaluation.alarm.raised:
        return "drift"
    return "threshold exceeded" if evaluation.inputs.score_ratio >= 1 else "no drift"


def _window(watched: WatchedVersion, evaluation: Evaluation | None) -> dict[str, Any]:
    if evaluation is None or not evaluation.window.rows:
        return {"rows": 0, "from": None, "to": None, "without_event_time_ratio": None}
    window = evaluation.window
    timed = watched.schema.event_time is not None
    return {
        "rows": window.rows,
        "from": _iso(window.start),
        "to": _iso(window.end),
        "without_event_time_ratio": window.untimed / window.rows if timed else None,
    }


def _features(verdicts: Iterable[FeatureVerdict]) -> list[dict[str, Any]]:
    return [
        {
            "feature": verdict.feature, "method": verdict.method, "score": verdict.score,
            "stratified_score": verdict.stratified_score, "threshold": verdict.threshold,
            "score_ratio": verdict.score_ratio, "exceeded": verdict.exceeded,
            "decides": verdict.decides, "missing_ratio": verdict.missing_ratio,
            "unseen_ratio": verdict.unseen_ratio, "problem": verdict.problem or None,
        }
        for verdict in verdicts
    ]  # fmt: skip


def _named(evaluation: Evaluation | None) -> list[dict[str, Any]]:
    """Return the scores that were asked for by name, and why others are not there."""
    if evaluation is None:
        return []
    named = evaluation.named
    return [
        {
            "feature": feature, "method": method, "distance": named.distances.get(key),
            "pvalue": named.p_values.get(key), "problem": named.problems.get(key),
        }
        for key in sorted({*named.distances, *named.p_values, *named.problems})
        for feature, method in (key,)
    ]  # fmt: skip


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
