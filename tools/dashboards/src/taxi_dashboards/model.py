"""The board of the model: evidence, columns, windows, labels."""

from typing import Final

from taxi_dashboards.board import Board, Row
from taxi_dashboards.overview import NO_LABELS
from taxi_dashboards.panels import NUMBER, PER_SECOND, SECONDS, SHARE, lines, number, states
from taxi_dashboards.queries import RATE, Query, of_models, of_monitor, of_role, per_second

_FEW: Final = "too few rows"
_NO_EVIDENCE: Final = "no evidence yet"
_YES: Final = {"0": ("no", "green"), "1": ("yes", "red")}

_EVIDENCE: Final = Row(
    "Evidence",
    [
        lines(
            "Evidence against $model_role",
            "Decimal logarithm of the evidence of all groups of a side, and where it is an alarm: "
            "rows as they are stored, labels as they come.",
            NUMBER,
            Query(of_role("taxi_monitor_evidence_total_decades", "side"), "{{side}}"),
            Query(of_role("taxi_monitor_evidence_threshold_decades", "side"), "alarm ({{side}})"),
            signed=True,
            without=_NO_EVIDENCE,
        ),
        lines(
            "Evidence of $model_role by group",
            "Decimal logarithm of the evidence: inputs, faults of the data, outputs, error. The "
            "monitor's page names the streams, columns and slices.",
            NUMBER,
            Query(of_role("taxi_monitor_evidence_decades", "side", "group"), "{{side}}: {{group}}"),
            signed=True,
            without=_NO_EVIDENCE,
        ),
        states(
            "Kind of drift",
            "The kind that the evidence says, and known events while they last.",
            {"1": ("is", "blue")},
            Query(
                of_models("taxi_monitor_drift_kind", "kind") + " == 1", "{{model_role}}: {{kind}}"
            ),
            Query(
                f"max by (event) ({of_monitor('taxi_monitor_known_event')}) == 1",
                "known event: {{event}}",
            ),
            without=_NO_EVIDENCE,
        ),
        states(
            "Alarm",
            "While the evidence is an alarm.",
            _YES,
            Query(of_models("taxi_monitor_evidence_alarm", "side"), "{{model_role}}, {{side}}"),
            width=5,
            without=_NO_EVIDENCE,
        ),
        states(
            "Suspicion",
            "While the evidence is an alarm or a tenth of one.",
            {"0": ("no", "green"), "1": ("yes", "orange")},
            Query(of_models("taxi_monitor_evidence_suspected", "side"), "{{model_role}}, {{side}}"),
            width=5,
            without=_NO_EVIDENCE,
        ),
        states(
            "Labels held",
            "While a block of labels waits, since too few rows of its time have a label.",
            {"0": ("no", "green"), "1": ("yes", "orange")},
            Query(of_models("taxi_monitor_labels_held"), "{{model_role}}"),
            width=4,
            without=_NO_EVIDENCE,
        ),
        lines(
            "How old the evidence is",
            "How long ago the log ends that the evidence is of; it waits for late rows.",
            SECONDS,
            Query(of_models("taxi_monitor_evidence_age_seconds"), "{{model_role}}"),
            width=5,
            without=_NO_EVIDENCE,
        ),
        lines(
            "Blocks judged",
            "Since the version's log begins, by side.",
            NUMBER,
            Query(of_models("taxi_monitor_evidence_blocks", "side"), "{{model_role}}, {{side}}"),
            width=5,
            without=_NO_EVIDENCE,
        ),
        lines(
            "Traffic over the reference's",
            "Rows of the last hour or longer, by the times of their events, over those that the "
            "reference had at like hours; 1 is as much.",
            NUMBER,
            Query(of_models("taxi_monitor_traffic_ratio"), "{{model_role}}"),
            without="not known of this version",
        ),
        lines(
            "Self-test",
            "Share of the shifts of deciding columns that a copy of the engine sees.",
            SHARE,
            Query(of_models("taxi_monitor_selftest_passed_ratio"), "{{model_role}}"),
            without="not tested yet",
        ),
        lines(
            "Delay of the self-test",
            "Blocks until the alarm of the shift that is seen last.",
            NUMBER,
            Query(of_models("taxi_monitor_selftest_blocks"), "{{model_role}}"),
            without="not tested yet",
        ),
        lines(
            "Late rows, labels and corrections",
            "Rows and labels too late for their block, and labels corrected behind theirs.",
            PER_SECOND,
            Query(
                per_second(of_monitor("taxi_monitor_late_rows_total", span=RATE), "namespace"),
                "late rows",
            ),
            Query(
                per_second(of_monitor("taxi_monitor_late_labels_total", span=RATE), "namespace"),
                "late labels",
            ),
            Query(
                per_second(
                    of_monitor("taxi_monitor_late_corrections_total", span=RATE), "namespace"
                ),
                "labels corrected late",
            ),
        ),
    ],
)

_COLUMNS: Final = Row(
    "Columns of $model_role",
    [
        lines(
            "Columns over their thresholds",
            "Each column's score over its threshold; 1 exceeds it.",
            NUMBER,
            Query(of_role("taxi_monitor_feature_drift_score_ratio", "feature"), "{{feature}}"),
            limit=1,
            without=_FEW,
        ),
        lines(
            "Scores",
            "Distance of each column from the reference, by its method.",
            NUMBER,
            Query(
                of_role("taxi_monitor_feature_drift_score", "feature", "method"),
                "{{feature}} ({{method}})",
            ),
            without=_FEW,
        ),
        lines(
            "Thresholds",
            "Scores that are a breach at the present number of rows.",
            NUMBER,
            Query(
                of_role("taxi_monitor_feature_drift_threshold", "feature", "method"),
                "{{feature}} ({{method}})",
            ),
            without=_FEW,
        ),
        lines(
            "Missing values",
            "Share of the window without a value.",
            SHARE,
            Query(of_role("taxi_monitor_feature_missing_ratio", "feature"), "{{feature}}"),
            Query(of_role("taxi_monitor_event_time_missing_ratio"), "event time"),
            without=_FEW,
        ),
        lines(
            "Unseen categories",
            "Share of the window that the reference never had.",
            SHARE,
            Query(of_role("taxi_monitor_feature_unseen_ratio", "feature"), "{{feature}}"),
            without=_FEW,
        ),
        lines(
            "PSI of an hour",
            "Of what was counted in the bins, whatever the window; above 0.2 is called large.",
            NUMBER,
            Query(
                "max by (model, model_role, version, feature) ("
                + of_monitor(
                    "model_feature:taxi_monitor_feature_psi:1h",
                    'model="$model"',
                    'model_role="$model_role"',
                )
                + ")",
                "{{feature}}",
            ),
            limit=0.2,
            without="too few rows within an hour",
        ),
        lines(
            "p-values",
            "Chance that a window like the reference is at least so far from it; with scores that "
            "have one (monitor.scores).",
            SHARE,
            Query(
                of_role("taxi_monitor_feature_drift_pvalue", "feature", "method"),
                "{{feature}} ({{method}})",
            ),
            without="no score with one is asked for",
        ),
        lines(
            "Columns at or above their threshold",
            "How many there are.",
            NUMBER,
            Query(of_models("taxi_monitor_drifted_features"), "{{model_role}}"),
            without=_FEW,
        ),
        states(
            "Drift of the window",
            "Whether the last evaluations in a row were breaches.",
            _YES,
            Query(of_models("taxi_monitor_drift_detected"), "{{model_role}}"),
            without=_FEW,
        ),
    ],
)

_WINDOWS: Final = Row(
    "Windows and labels",
    [
        lines(
            "Rows in the windows",
            "A verdict needs enough rows.",
            NUMBER,
            Query(of_models("taxi_monitor_window_rows"), "{{model_role}}"),
            Query(of_models("taxi_monitor_window_labelled_rows"), "{{model_role}} labelled"),
        ),
        lines(
            "Age of the windows",
            "Since the oldest and the newest row of $model_role was answered.",
            SECONDS,
            Query(
                "time() - " + of_role("taxi_monitor_window_start_timestamp_seconds"), "oldest row"
            ),
            Query("time() - " + of_role("taxi_monitor_window_end_timestamp_seconds"), "newest row"),
            without="no rows",
        ),
        number(
            "Rows of the reference",
            "What the windows are compared with.",
            NUMBER,
            Query(of_models("taxi_monitor_reference_rows"), "{{model_role}}"),
            width=8,
            without="no model yet",
        ),
        lines(
            "Error over its alarm level",
            "Error of labelled rows over what so many show by chance; 1 is an alarm.",
            NUMBER,
            Query(of_models("taxi_monitor_error_score_ratio"), "{{model_role}}"),
            limit=1,
            without=NO_LABELS,
        ),
        lines(
            "Labels outside of the target's limits",
            "Share of the newest labels that are not judged.",
            SHARE,
            Query(of_models("taxi_monitor_labels_outside_ratio"), "{{model_role}}"),
            without=NO_LABELS,
        ),
    ],
)

BOARD: Final = Board(
    "model",
    "model and drift",
    "What is known of the model: evidence, columns, windows and labels.",
    [_EVIDENCE, _COLUMNS, _WINDOWS],
)
