"""The part of the metric catalogue that is of the verdict by evidence."""

from typing import Final

from taxi_domain.metric import Metric, computed, counter

_MODEL: Final = ("model", "model_role")

MONITOR_EVIDENCE: Final = computed(
    "taxi_monitor_evidence_decades",
    "Decimal logarithm of the evidence that a side's blocks are not like the reference's, by group "
    "of streams.",
    *_MODEL, "side", "group",
)  # fmt: skip
MONITOR_EVIDENCE_TOTAL: Final = computed(
    "taxi_monitor_evidence_total_decades",
    "Decimal logarithm of the evidence of all groups of a side: an alarm from the threshold on.",
    *_MODEL, "side",
)  # fmt: skip
MONITOR_EVIDENCE_THRESHOLD: Final = computed(
    "taxi_monitor_evidence_threshold_decades",
    "Decimal logarithm of the evidence that is an alarm; a tenth of it is suspicious.",
    *_MODEL, "side",
)  # fmt: skip
MONITOR_EVIDENCE_ALARM: Final = computed(
    "taxi_monitor_evidence_alarm",
    "1 while the evidence of a side is an alarm, until it was low for some blocks.",
    *_MODEL, "side",
)  # fmt: skip
MONITOR_EVIDENCE_SUSPECTED: Final = computed(
    "taxi_monitor_evidence_suspected",
    "1 while the evidence of a side is an alarm or a tenth of one.",
    *_MODEL, "side",
)  # fmt: skip
MONITOR_EVIDENCE_BLOCKS: Final = computed(
    "taxi_monitor_evidence_blocks",
    "Blocks of a side that were judged since the version's log begins.",
    *_MODEL, "side",
)  # fmt: skip
MONITOR_EVIDENCE_AGE: Final = computed(
    "taxi_monitor_evidence_age_seconds",
    "How long ago the log ends that the evidence is of; it waits some seconds for late rows.",
    *_MODEL,
)  # fmt: skip
MONITOR_DRIFT_KIND: Final = computed(
    "taxi_monitor_drift_kind", "1 for the kind of drift that the evidence says, else 0.",
    *_MODEL, "kind",
)  # fmt: skip
MONITOR_TRAFFIC: Final = computed(
    "taxi_monitor_traffic_ratio",
    "Rows of the last hour or longer, by the times of their events, over those that the reference "
    "had at like hours; absent where that is not known.",
    *_MODEL,
)  # fmt: skip
MONITOR_LABEL_COVERAGE: Final = computed(
    "taxi_monitor_label_coverage_ratio",
    "Share of rows that have a label, of the time that the block of labels looked at last is of.",
    *_MODEL,
)  # fmt: skip
MONITOR_LABELS_HELD: Final = computed(
    "taxi_monitor_labels_held",
    "1 while a block of labels is not judged, as too few rows of its time have a label yet.",
    *_MODEL,
)  # fmt: skip
MONITOR_SELFTEST_PASSED: Final = computed(
    "taxi_monitor_selftest_passed_ratio",
    "Share of the shifts of deciding columns that a copy of the engine saw and blamed in time.",
    *_MODEL,
)  # fmt: skip
MONITOR_SELFTEST_BLOCKS: Final = computed(
    "taxi_monitor_selftest_blocks",
    "Blocks until the alarm of the shift that was seen last.",
    *_MODEL,
)  # fmt: skip
MONITOR_KNOWN_EVENT: Final = computed(
    "taxi_monitor_known_event", "1 while a known event lasts that was declared.", "event"
)
MONITOR_LATE_ROWS: Final = counter(
    "taxi_monitor_late_rows_total",
    "Rows that were stored too late for their block, which stays as it is.",
)
MONITOR_LATE_LABELS: Final = counter(
    "taxi_monitor_late_labels_total",
    "Labels of rows that were stored too late for their block, which stays as it is.",
)

EVIDENCE_METRICS: Final[tuple[Metric, ...]] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Metric)
)
