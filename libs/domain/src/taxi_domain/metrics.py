"""The metric catalogue: every series that the project exports.

Conventions: `taxi_<role>_<what>_<unit>[_total]`; seconds for times. What is in the unit of a
model's target has none in its name: `_model_info` tells it. `_ratio` is a share of 0..1;
`_score_ratio` is a score over its threshold (1 and more exceeds it). Model series carry `model`
and `model_role`; only `_info` has the version, and what is counted in bins, which are a version's
own. Absent is not zero: what is not known is not exported.

Dashboards, alerts and the operator's default queries use only what stands here, and a
test holds them to it.
"""

from itertools import product
from typing import Final

from taxi_domain.evidence_metrics import EVIDENCE_METRICS
from taxi_domain.metric import Metric, computed, counter, gauge, histogram
from taxi_domain.storage_metrics import STORAGE_METRICS

_MODEL: Final = ("model", "model_role")
_FEATURE: Final = (*_MODEL, "feature")
_BIN: Final = (*_MODEL, "version", "feature", "bin")
_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_SLOW: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LAG: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 172800.0)

PREDICTOR_REQUESTS: Final = counter(
    "taxi_predictor_requests_total", "Answered requests.", "route", "code"
)
PREDICTOR_REQUEST_DURATION: Final = histogram(
    "taxi_predictor_request_duration_seconds", "Time to answer a request.", _FAST, "route"
)
PREDICTOR_PREDICTIONS: Final = counter(
    "taxi_predictor_predictions_total", "Rows that were answered.", *_MODEL
)
PREDICTOR_PREDICTED_VALUE: Final = histogram(
    "taxi_predictor_predicted_value",
    "Answers, in the unit of the model's target; buckets follow the reference's predictions.",
    (), *_MODEL,
)  # fmt: skip
PREDICTOR_REFUSED: Final = counter(
    "taxi_predictor_refused_rows_total",
    "Rows that were refused, by reason: a field of the schema, or one of the words here.",
    "reason",
    series=[
        ["body"], ["other"], ["content_type"], ["malformed"], ["too_large"], ["spool_full"],
        ["unauthorized"],
    ],
)  # fmt: skip
#: The model's answer is no finite number.
NOT_FINITE: Final = "not_finite"
PREDICTOR_FAILED: Final = counter(
    "taxi_predictor_failed_rows_total",
    "Rows that were neither answered nor refused but failed here, by reason.",
    "reason", series=[["no_model"], ["overloaded"], ["error"], [NOT_FINITE]],
)  # fmt: skip
PREDICTOR_SHADOW_FAILED: Final = counter(
    "taxi_predictor_shadow_failed_rows_total",
    "Rows that a version in shadow had no answer for, by its role and reason.",
    *_MODEL, "reason",
)  # fmt: skip
PREDICTOR_UNDECLARED: Final = counter(
    "taxi_predictor_undeclared_fields_total",
    "Rows with a field that the predictor does not know, by its name, beyond 32 names by 'other'.",
    *_MODEL, "field",
)  # fmt: skip
PREDICTOR_EXTRA_DROPPED: Final = counter(
    "taxi_predictor_extra_dropped_rows_total",
    "Rows of which undeclared fields were not kept for the log, by reason.",
    "reason", series=[["name"], ["value"], ["too_many"], ["too_large"]],
)  # fmt: skip
PREDICTOR_MODEL_INFO: Final = gauge(
    "taxi_predictor_model_info", "1 for the version that serves.", *_MODEL, "version",
    across_workers="livemax",
)  # fmt: skip
PREDICTOR_WORKER_RESTARTS: Final = counter(
    "taxi_predictor_worker_restarts_total",
    "Workers of the pod that ended and were replaced.",
    at_scrape=True,
)
PREDICTOR_TORN_FILES: Final = computed(
    "taxi_predictor_torn_counter_files",
    "Files of counters that cannot be read, left behind by workers that were killed.",
)
PREDICTOR_SPOOL_BYTES: Final = gauge(
    "taxi_predictor_spool_bytes", "Records on this pod that the log does not have yet, in bytes.",
    across_workers="livesum",
)  # fmt: skip
PREDICTOR_SPOOL_RECORDS: Final = gauge(
    "taxi_predictor_spool_records", "Records that a lost node would lose now.",
    across_workers="livesum",
)  # fmt: skip
PREDICTOR_SPOOL_OLDEST_AGE: Final = gauge(
    "taxi_predictor_spool_oldest_record_age_seconds",
    "Age of the oldest record not yet in the log.",
    across_workers="livemax",
)  # fmt: skip
PREDICTOR_SPOOL_LOST: Final = counter(
    "taxi_predictor_spool_lost_bytes_total",
    "Bytes of answered rows that could not be read from the spool, by reason.",
    "reason", series=[["damaged"], ["malformed"]],
)  # fmt: skip
PREDICTOR_DELIVERY_HEARTBEAT_AGE: Final = computed(
    "taxi_predictor_delivery_heartbeat_age_seconds",
    "Time since the pod's delivery to the log gave a sign of life.",
)
PREDICTOR_UNLOGGED: Final = counter(
    "taxi_predictor_unlogged_rows_total", "Rows answered but not logged, by reason.", "reason",
    series=[["spool_full"]],
)  # fmt: skip
PREDICTOR_LOG_WRITES: Final = counter(
    "taxi_predictor_log_writes_total", "Batches written, by destination and result.",
    "destination", "result", series=product(["mongodb", "monitor"], ["ok", "error"]),
)  # fmt: skip
PREDICTOR_LOGGED_RECORDS: Final = counter(
    "taxi_predictor_logged_records_total", "Records delivered, by destination.", "destination"
)

MONITOR_FEATURE_SCORE: Final = computed(
    "taxi_monitor_feature_drift_score", "Distance of the window from the reference.",
    *_FEATURE, "method",
)  # fmt: skip
MONITOR_FEATURE_P_VALUE: Final = computed(
    "taxi_monitor_feature_drift_pvalue",
    "Chance that a window like the reference is at least so far from it; small is far.",
    *_FEATURE, "method",
)  # fmt: skip
MONITOR_FEATURE_ROWS: Final = counter(
    "taxi_monitor_feature_rows_total",
    "Rows of a version by feature and bin of its reference, each row once.",
    *_BIN, at_scrape=True,
)  # fmt: skip
MONITOR_REFERENCE_BINS: Final = computed(
    "taxi_monitor_reference_bin_ratio",
    "Share of the reference's rows in a bin of a feature.",
    *_BIN,
)
MONITOR_FEATURE_THRESHOLD: Final = computed(
    "taxi_monitor_feature_drift_threshold", "Largest usual score at the present row count.",
    *_FEATURE, "method",
)  # fmt: skip
MONITOR_FEATURE_RATIO: Final = computed(
    "taxi_monitor_feature_drift_score_ratio", "Score over its threshold; 1 exceeds it.",
    *_FEATURE,
)  # fmt: skip
MONITOR_DRIFT_RATIO: Final = computed(
    "taxi_monitor_drift_score_ratio",
    "Largest score over its threshold among the features that count.",
    *_MODEL,
)
MONITOR_MISSING: Final = computed(
    "taxi_monitor_feature_missing_ratio",
    "Share of the window without a value.",
    *_FEATURE,
)  # fmt: skip
MONITOR_EVENT_TIME_MISSING: Final = computed(
    "taxi_monitor_event_time_missing_ratio", "Share of the window without an event time.", *_MODEL
)
MONITOR_UNSEEN: Final = computed(
    "taxi_monitor_feature_unseen_ratio", "Share of the window that the reference never had.",
    *_FEATURE,
)  # fmt: skip
MONITOR_DRIFTED_FEATURES: Final = computed(
    "taxi_monitor_drifted_features", "Features at or above their threshold.", *_MODEL
)
MONITOR_DRIFT_DETECTED: Final = computed(
    "taxi_monitor_drift_detected", "1 when the last evaluations in a row were breaches.", *_MODEL
)
MONITOR_ERROR_RMSE: Final = computed(
    "taxi_monitor_error_rmse",
    "Root mean squared error of the labelled rows, in the target's unit.",
    *_MODEL, "source",
)  # fmt: skip
MONITOR_ERROR_MAE: Final = computed(
    "taxi_monitor_error_mae", "Mean absolute error of the labelled rows, in the target's unit.",
    *_MODEL, "source",
)  # fmt: skip
MONITOR_ERROR_BIAS: Final = computed(
    "taxi_monitor_error_bias", "Mean of prediction minus label, in the target's unit.",
    *_MODEL, "source",
)  # fmt: skip
MONITOR_ERROR_REFERENCE: Final = computed(
    "taxi_monitor_error_reference_rmse",
    "Error of the version at its acceptance, on rows it had not seen, in the target's unit.",
    *_MODEL,
)
MONITOR_ERROR_RATIO: Final = computed(
    "taxi_monitor_error_score_ratio",
    "Error of the labelled rows over its limit for that many rows; 1 exceeds it.",
    *_MODEL,
)
MONITOR_WINDOW_ROWS: Final = computed("taxi_monitor_window_rows", "Rows in the window.", *_MODEL)
MONITOR_LABELLED_ROWS: Final = computed(
    "taxi_monitor_window_labelled_rows",
    "Labelled rows that are evaluated: within the target's limits.",
    *_MODEL,
)
MONITOR_LABELS_OUTSIDE: Final = computed(
    "taxi_monitor_labels_outside_ratio",
    "Share of the newest labels outside of the target's limits, which are not evaluated.",
    *_MODEL,
)
MONITOR_REFERENCE_ROWS: Final = computed(
    "taxi_monitor_reference_rows", "Rows in the reference.", *_MODEL
)
MONITOR_WINDOW_START: Final = computed(
    "taxi_monitor_window_start_timestamp_seconds", "Answer time of the oldest row.", *_MODEL
)
MONITOR_WINDOW_END: Final = computed(
    "taxi_monitor_window_end_timestamp_seconds", "Answer time of the newest row.", *_MODEL
)
MONITOR_EVALUATION_AGE: Final = computed(
    "taxi_monitor_evaluation_age_seconds", "Time since the last finished evaluation.", *_MODEL
)
MONITOR_EVALUATIONS: Final = counter(
    "taxi_monitor_evaluations_total", "Evaluations by result.", "result",
    series=[["ok"], ["too_few_rows"], ["error"]],
)  # fmt: skip
MONITOR_EVALUATION_DURATION: Final = histogram(
    "taxi_monitor_evaluation_duration_seconds", "Time of one evaluation of all windows.", _SLOW
)
MONITOR_RECORDS: Final = counter(
    "taxi_monitor_records_total", "Records received, by source and result.", "source", "result",
    series=[
        ["push", "new"], ["push", "repeated"], ["push", "refused"], ["log", "new"],
        ["records", "new"], ["records", "repeated"], ["records", "refused"],
        ["events", "new"], ["events", "repeated"], ["events", "refused"],
        ["rows", "new"], ["rows", "repeated"], ["rows", "refused"],
    ],
)  # fmt: skip
MONITOR_EVENTS: Final = counter(
    "taxi_monitor_events_total",
    "Events of inference loggers, by half of an inference (or 'other') and result; 'dropped' were "
    "taken before, and waited longest for the other half when too much did.", "half", "result",
    series=[
        *product(["request", "response"], ["taken", "repeated", "refused", "dropped"]),
        ["other", "ignored"], ["other", "refused"],
    ],
)  # fmt: skip
MONITOR_PENDING_EVENTS: Final = computed(
    "taxi_monitor_pending_events",
    "Requests without their response yet, and responses without their request.",
)
MONITOR_LABELS: Final = counter(
    "taxi_monitor_labels_total",
    "Labels posted, by result; and those joined with a row of a window, posted or of the log.",
    "result", series=[["new"], ["repeated"], ["refused"], ["joined"], ["corrected"]],
)  # fmt: skip
MONITOR_LATE_CORRECTIONS: Final = counter(
    "taxi_monitor_late_corrections_total",
    "Labels that were corrected when their block was judged already; it is not judged again.",
)
MONITOR_UNREADABLE: Final = counter(
    "taxi_monitor_unreadable_documents_total",
    "Records and labels that were left out because they cannot be read, by source, collection and "
    "the field at fault; and records of which a column cannot be read, which is missing then.",
    "source", "collection", "field",
)  # fmt: skip
MONITOR_LABEL_LAG: Final = histogram(
    "taxi_monitor_label_lag_seconds", "Time from the answer to its label.", _LAG
)
MONITOR_MODEL_INFO: Final = computed(
    "taxi_monitor_model_info",
    "1 for the version that has the role, with the target and the unit of errors and answers.",
    *_MODEL, "version", "target", "unit",
)  # fmt: skip
MONITOR_WORKER_RESTARTS: Final = counter(
    "taxi_monitor_worker_restarts_total",
    "Workers of the pod that ended and were replaced.",
    at_scrape=True,
)
MONITOR_THREAD_UP: Final = computed(
    "taxi_monitor_background_up", "1 while the background thread lives.", "thread"
)
REPORT_LAST_SUCCESS: Final = computed(
    "taxi_report_last_success_timestamp_seconds", "When a batch report was last made.", "model"
)
REPORT_LAST_FAILURE: Final = computed(
    "taxi_report_last_failure_timestamp_seconds", "When a batch report last failed.", "model"
)
REPORT_LAST_SCHEDULED_SUCCESS: Final = computed(
    "taxi_report_last_scheduled_success_timestamp_seconds",
    "When the schedule last made a batch report.",
    "model",
)
REPORT_LAST_SCHEDULED_FAILURE: Final = computed(
    "taxi_report_last_scheduled_failure_timestamp_seconds",
    "When a batch report of the schedule last failed.",
    "model",
)
REPORT_DURATION: Final = computed(
    "taxi_report_duration_seconds", "Time to make the batch report of the newest span.", "model"
)
REPORT_ROWS: Final = computed(
    "taxi_report_rows", "Answered rows of the batch report of the newest span.", "model"
)
REPORT_SCORE_RATIO: Final = computed(
    "taxi_report_score_ratio",
    "Largest score over its threshold in the batch report of the newest span; 1 exceeds it.",
    "model",
)
REPORT_DRIFT: Final = computed(
    "taxi_report_drift",
    "1 when the batch report of the newest span says drift, 0 when it says there is none.",
    "model",
)

OPERATOR_RECONCILES: Final = counter(
    "taxi_operator_reconciles_total", "Evaluations of a policy, by result.", "policy", "result"
)
OPERATOR_RECONCILE_DURATION: Final = histogram(
    "taxi_operator_reconcile_duration_seconds", "Time of one evaluation of a policy.", _SLOW
)
OPERATOR_RECONCILE_LAG: Final = gauge(
    "taxi_operator_reconcile_lag_seconds", "How late the last evaluation started.", "policy"
)
OPERATOR_SIGNAL_VALUE: Final = gauge(
    "taxi_operator_signal_value", "Last value of a signal.", "policy", "signal"
)
OPERATOR_SIGNAL_BREACHED: Final = gauge(
    "taxi_operator_signal_breached", "1 while a signal is breached.", "policy", "signal"
)
OPERATOR_DECISIONS: Final = counter(
    "taxi_operator_decisions_total", "Decisions written, by action.", "policy", "action"
)
OPERATOR_RUNS: Final = counter(
    "taxi_operator_runs_total", "Retrain runs that ended, by how.", "policy", "result"
)
OPERATOR_POLICY_CONDITION: Final = gauge(
    "taxi_operator_policy_condition",
    "1 for the present status of each condition of a policy; another status has no series.",
    "policy", "type", "status",
)  # fmt: skip
OPERATOR_WEBHOOK_DELIVERIES: Final = counter(
    "taxi_operator_webhook_deliveries_total",
    "Tries to deliver a notice, and notices that nobody took in a day (lost), or that fell out of "
    "their policy's history before (dropped).",
    "result", series=[["delivered"], ["failed"], ["lost"], ["dropped"]],
)  # fmt: skip
OPERATOR_WEBHOOK_PENDING: Final = gauge(
    "taxi_operator_webhook_pending", "Notices that are due and not delivered yet."
)
OPERATOR_DUPLICATES_PREVENTED: Final = counter(
    "taxi_operator_duplicates_prevented_total", "Jobs that existed already and were adopted.",
    "policy",
)  # fmt: skip
OPERATOR_CHAMPION_UNAVAILABLE: Final = gauge(
    "taxi_operator_champion_unavailable",
    "1 while a policy's champion has had no ready pod for a minute.", "policy",
)  # fmt: skip
OPERATOR_RESCUES: Final = counter(
    "taxi_operator_rescues_total",
    "Moves of the traffic to the fallback because the champion had no ready pod.", "policy",
)  # fmt: skip
OPERATOR_TRAFFIC: Final = gauge(
    "taxi_operator_traffic_active", "1 for the role that the active Service selects.",
    "service", "model_role",
)  # fmt: skip
OPERATOR_SWITCH_SECONDS: Final = gauge(
    "taxi_operator_last_switch_seconds", "Time from the patch to switched endpoints.", "service"
)
OPERATOR_API_ERRORS: Final = counter(
    "taxi_operator_api_errors_total", "Failed calls, by system.", "system",
    series=[["kubernetes"], ["prometheus"], ["mongodb"], ["events"]],
)  # fmt: skip

CATALOGUE: Final[tuple[Metric, ...]] = (
    *(value for value in dict(globals()).values() if isinstance(value, Metric)),
    *EVIDENCE_METRICS,
    *STORAGE_METRICS,
)


def objects_of(part: str) -> tuple[Metric, ...]:
    """Return the entries that a part changes as things happen.

    Args:
        part: The word behind `taxi_` in their names.
    """
    return tuple(
        metric
        for metric in CATALOGUE
        if metric.name.startswith(f"taxi_{part}_") and not metric.at_scrape
    )
