"""The board that one looks at first: verdict, error, traffic, versions, alerts."""

from typing import Final

from taxi_dashboards.board import Board, Row
from taxi_dashboards.panels import (
    NUMBER,
    OF_TARGET,
    PER_SECOND,
    SECONDS,
    SHARE,
    alerts,
    lines,
    number,
    word,
)
from taxi_dashboards.queries import (
    MODEL,
    RATE,
    Query,
    of_models,
    of_operator,
    of_role,
    per_second,
    quantile,
    serving,
)

NO_LABELS: Final = "no labels yet"
_PREDICT: Final = 'route=~"/predict.*"'
_FIRING: Final = (
    'max by (alertname, severity, model_role, policy, pod, job) (ALERTS{cluster=~"$cluster", '
    'namespace="$namespace", release="$release", alertstate="firing"})'
)


def _share(bad: str, of: str, span: str) -> str:
    """Return the recorded share of requests over a range."""
    parts = (serving(f"job:taxi_predictor_{one}:increase{span}") for one in (bad, of))
    return " / ".join(f"sum by (job) ({part})" for part in parts)


_SPANS: Final = ("5m", "1h", "6h")
_FAILED: Final = {span: _share("failed_requests", "requests", span) for span in _SPANS}
_SLOW: Final = {span: _share("slow_requests", "single_requests", span) for span in _SPANS}
_ANSWERED: Final = serving("taxi_predictor_request_duration_seconds_bucket", _PREDICT, span=RATE)

_NOW: Final = Row(
    "Now",
    [
        word(
            "Kind of drift",
            "What the evidence says, by role: None and Benign need nobody.",
            Query(
                of_models("taxi_monitor_drift_kind", "kind") + " == 1", "{{model_role}}: {{kind}}"
            ),
            without="no evidence yet",
        ),
        word(
            "Serving versions",
            "The version that answers, by role.",
            Query(
                f"max by ({MODEL}, version) ({serving('taxi_predictor_model_info')})",
                "{{model_role}}: {{version}}",
            ),
            without="no model yet",
        ),
        word(
            "Traffic goes to",
            "The role that the active Service selects.",
            Query(
                f"max by (model_role) ({of_operator('taxi_operator_traffic_active')}) == 1",
                "{{model_role}}",
            ),
            without="not known without the operator",
        ),
        number(
            "Error over its alarm level",
            "Error of labelled rows over what so many show by chance; 1 is an alarm.",
            NUMBER,
            Query(of_models("taxi_monitor_error_score_ratio"), "{{model_role}}"),
            limit=1,
            without=NO_LABELS,
        ),
    ],
)

_VERDICT: Final = Row(
    "Verdict",
    [
        alerts(Query(_FIRING, "{{alertname}}"), width=8),
        lines(
            "Evidence against $model_role",
            "Decimal logarithm of the evidence that the rows, and the labels, are not like the "
            "reference's, and where it is an alarm.",
            NUMBER,
            Query(of_role("taxi_monitor_evidence_total_decades", "side"), "{{side}}"),
            Query(of_role("taxi_monitor_evidence_threshold_decades", "side"), "alarm ({{side}})"),
            signed=True,
            without="no evidence yet",
        ),
        lines(
            "Inputs over their alarm level",
            "Largest score of a column over its threshold; 1 is an alarm.",
            NUMBER,
            Query(of_models("taxi_monitor_drift_score_ratio"), "{{model_role}}"),
            limit=1,
            without="too few rows",
        ),
    ],
)

_ERROR: Final = Row(
    "Error on labelled rows",
    [
        lines(
            "RMSE",
            "Against the error at the version's acceptance, in the unit of the model's target.",
            OF_TARGET,
            Query(of_models("taxi_monitor_error_rmse", "source"), "{{model_role}} ({{source}})"),
            Query(of_models("taxi_monitor_error_reference_rmse"), "{{model_role}} at acceptance"),
            without=NO_LABELS,
        ),
        lines(
            "Mean absolute error and bias",
            "Bias is prediction minus truth. In the unit of the model's target.",
            OF_TARGET,
            Query(of_models("taxi_monitor_error_mae", "source"), "{{model_role}} MAE"),
            Query(of_models("taxi_monitor_error_bias", "source"), "{{model_role}} bias"),
            signed=True,
            without=NO_LABELS,
        ),
        lines(
            "Rows with a label",
            "Share of rows that have a label, of the time that the last block of labels is of.",
            SHARE,
            Query(of_models("taxi_monitor_label_coverage_ratio"), "{{model_role}}"),
            without=NO_LABELS,
        ),
    ],
)

_TRAFFIC: Final = Row(
    "Traffic",
    [
        lines(
            "Rows answered",
            "By role; what a version answers in shadow counts too.",
            PER_SECOND,
            Query(
                per_second(serving("taxi_predictor_predictions_total", span=RATE), MODEL),
                "{{model_role}}",
            ),
            without="no rows",
        ),
        lines(
            "Requests by answer",
            "By status; 5xx are errors of ours.",
            PER_SECOND,
            Query(
                per_second(serving("taxi_predictor_requests_total", _PREDICT, span=RATE), "code"),
                "{{code}}",
            ),
            without="no requests",
        ),
        lines(
            "Time to answer",
            "By route.",
            SECONDS,
            Query(quantile(0.99, _ANSWERED, "route"), "{{route}} p99"),
            Query(quantile(0.5, _ANSWERED, "route"), "{{route}} p50"),
            without="no requests",
        ),
        lines(
            "Requests that failed",
            "Share of all requests over the ranges that TaxiPredictorErrors looks at.",
            SHARE,
            *(Query(expr, "{{job}} " + span) for span, expr in _FAILED.items()),
            without="no requests",
        ),
        lines(
            "Rows that were answered too late",
            "Share of single rows over the ranges that TaxiPredictorSlow looks at.",
            SHARE,
            *(Query(expr, "{{job}} " + span) for span, expr in _SLOW.items()),
            without="no requests",
        ),
        lines(
            "Answered values",
            "Median and 90 % of what was predicted, in the unit of the model's target.",
            OF_TARGET,
            *(
                Query(
                    quantile(
                        share,
                        serving("taxi_predictor_predicted_value_bucket", span=RATE),
                        MODEL,
                    ),
                    "{{model_role}} " + name,
                )
                for share, name in ((0.5, "p50"), (0.9, "p90"))
            ),
            signed=True,
            without="no rows",
        ),
    ],
)

BOARD: Final = Board(
    "overview",
    "overview",
    "A served model at a glance: verdict, error, traffic, versions, alerts.",
    [_NOW, _VERDICT, _ERROR, _TRAFFIC],
)
