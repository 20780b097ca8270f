"""Signals by name: the queries of this system's own metrics, with safe conditions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.errors import FieldError

Spec = Mapping[str, Any]

#: What a preset brings and a signal must not give beside it.
QUERIES: Final = ("promql", "freshnessPromql", "explainPromql")
_ENTER: Final = {"op": "GreaterOrEqual", "value": "1"}
#: Apart from the threshold, so that noise around it moves nothing.
_EXIT: Final = {"op": "Less", "value": "0.8"}
_MIN_ROWS: Final = 2000
_EVIDENCE_AGE: Final = "taxi_monitor_evidence_age_seconds"


@dataclass(frozen=True, slots=True)
class Preset:
    """A signal of the catalogue.

    Attributes:
        score: Gauge of the signal: a score over its alarm level, 1 is a breach.
        rows: Gauge of the rows behind it.
        parts: Gauge of what the score is made of; empty without one.
        by: Label of the parts.
        kinds: Kinds of drift that the score is of; empty where it has none.
        age: Gauge of the score's age, seconds.
    """

    score: str
    rows: str
    parts: str = ""
    by: str = "feature"
    kinds: tuple[str, ...] = ()
    age: str = "taxi_monitor_evaluation_age_seconds"


PRESETS: Final[Mapping[str, Preset]] = {
    "inputs": Preset(
        "taxi_monitor_drift_score_ratio", "taxi_monitor_window_rows",
        parts="taxi_monitor_feature_drift_score_ratio",
    ),
    "error": Preset("taxi_monitor_error_score_ratio", "taxi_monitor_window_labelled_rows"),
    "evidence": Preset(
        "taxi_monitor_evidence_alarm", "taxi_monitor_window_rows",
        parts="taxi_monitor_evidence_decades", by="group", age=_EVIDENCE_AGE,
    ),
    "harm": Preset(
        "taxi_monitor_drift_kind", "taxi_monitor_window_labelled_rows",
        kinds=("HarmfulCovariate", "Concept"), age=_EVIDENCE_AGE,
    ),
    "fault": Preset(
        "taxi_monitor_drift_kind", "taxi_monitor_window_rows", kinds=("DataFault",),
        age=_EVIDENCE_AGE,
    ),
}  # fmt: skip


def filled(signal: Spec, field: str, namespace: str, model: str) -> Spec:
    """Return a signal with what its preset brings; one without a preset as it is.

    Args:
        signal: As the policy has it.
        field: Its path, for errors.
        namespace: Namespace of the policy, and so of the monitor that is asked about.
        model: Model of the policy.

    Raises:
        FieldError: there is no such preset, or it is given queries beside.
    """
    name = signal.get("preset")
    if name is None:
        return signal
    preset = PRESETS.get(name) if isinstance(name, str) else None
    if preset is None:
        raise FieldError(f"{field}.preset", "is not known", f"give {' or '.join(PRESETS)}")
    if given := [one for one in QUERIES if signal.get(one)]:
        raise FieldError(
            f"{field}.{given[0]}", f"stands beside the preset {name}, which brings its own",
            "leave out one of the two",
        )  # fmt: skip
    samples = signal.get("minSamples") or {}
    if samples.get("promql"):
        raise FieldError(
            f"{field}.minSamples.promql", f"stands beside the preset {name}", "give value alone"
        )
    of = _selected(namespace, model)
    brought: dict[str, Any] = {
        "promql": of(preset.score, kinds=preset.kinds),
        "freshnessPromql": of(preset.age),
        "enter": _ENTER,
        "exit": _EXIT,
        "minSamples": {"promql": of(preset.rows), "value": _MIN_ROWS},
    }
    if preset.parts:
        # By name alone: there may be several pods of a monitor during a rollout.
        brought["explainPromql"] = of(preset.parts, by=preset.by)
    rows = {**brought["minSamples"], **samples}
    return {**brought, **signal, "minSamples": rows}


def _selected(namespace: str, model: str) -> Callable[..., str]:
    """Return what makes a query of a gauge: one series, of the model that answers now."""
    labels = f'namespace="{namespace}",model="{model}",model_role="champion"'

    def query(gauge: str, by: str = "model, model_role", kinds: Sequence[str] = ()) -> str:
        of_kinds = f',kind=~"{"|".join(kinds)}"' if kinds else ""
        return f"max by ({by}) ({gauge}{{{labels}{of_kinds}}})"

    return query
