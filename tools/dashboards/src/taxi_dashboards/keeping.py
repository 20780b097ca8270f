"""Rows of the pipeline's board: MongoDB, volumes, pods, Jobs, reports."""

from typing import Final

from taxi_dashboards.board import Row
from taxi_dashboards.panels import BYTES, NUMBER, SECONDS, SHARE, lines, states
from taxi_dashboards.queries import Query, of_monitor, selected, serving

#: Words of what lives, or answers.
ALIVE: Final = {"0": ("no", "red"), "1": ("yes", "green")}
_NO_REPORT: Final = "no report yet"
_STATE_METRICS: Final = "needs kube-state-metrics"
_PLACE: Final = 'cluster=~"$cluster", namespace="$namespace"'


def alone(metric: str) -> str:
    """Return a gauge of the monitor that has no other labels."""
    return f"max by (namespace) ({of_monitor(metric)})"


def _report(metric: str) -> str:
    return f"max by (model) ({of_monitor(f'taxi_report_{metric}')})"


STORED: Final = Row(
    "MongoDB and volumes",
    [
        states(
            "MongoDB answers",
            "The monitor asks it each half a minute.",
            ALIVE,
            Query(alone("taxi_monitor_mongodb_up"), "MongoDB"),
            width=6,
            without="not asked yet",
        ),
        lines(
            "Disk of MongoDB in use",
            "As MongoDB tells it, of the whole file system; TaxiMongodbDiskFilling goes by the "
            "kubelet's figures of the volume where there are any.",
            SHARE,
            Query(
                f"{alone('taxi_monitor_mongodb_disk_used_bytes')} / "
                f"{alone('taxi_monitor_mongodb_disk_size_bytes')}",
                "disk",
            ),
            width=6,
            without="not known",
        ),
        lines(
            "Volumes in use",
            "By the kubelet's figures, which some kinds of volumes lack.",
            SHARE,
            Query(
                "1 - max by (persistentvolumeclaim) (kubelet_volume_stats_available_bytes{"
                f'{_PLACE}, persistentvolumeclaim=~".*$release-.*"}}) / max by '
                "(persistentvolumeclaim) (kubelet_volume_stats_capacity_bytes{"
                f'{_PLACE}, persistentvolumeclaim=~".*$release-.*"}})',
                "{{persistentvolumeclaim}}",
            ),
            width=6,
            without="the kubelet has no figures",
        ),
        lines(
            "Stored data",
            "The database with its indexes, on disk; what expires leaves room for what comes, and "
            "not smaller files.",
            BYTES,
            Query(alone("taxi_monitor_mongodb_data_bytes"), "database"),
            width=6,
            without="not known",
        ),
        lines(
            "Time since MongoDB was looked after",
            "Since its users and indexes were found as they should be; the chart's own alone.",
            SECONDS,
            Query("time() - " + alone("taxi_monitor_mongodb_kept_timestamp_seconds"), "kept"),
            width=6,
            without="nobody keeps this one",
        ),
        lines(
            "Healthy members of MongoDB",
            "Of its replica set: those that serve or vote, as the monitor's driver sees them.",
            NUMBER,
            Query(alone("taxi_monitor_mongodb_healthy_members"), "members"),
            width=6,
            without="no replica set",
        ),
        lines(
            "Time since the last backup",
            "That was finished; with backup.enabled alone.",
            SECONDS,
            Query("time() - " + alone("taxi_monitor_last_backup_timestamp_seconds"), "backup"),
            width=6,
            without="no backup yet",
        ),
    ],
)

PODS: Final = Row(
    "Pods and Jobs",
    [
        lines(
            "Pods that Prometheus reaches",
            "By part.",
            NUMBER,
            Query(
                f"sum by (job) ({selected('up', '(predictor|fallback|monitor|operator)')})",
                "{{job}}",
            ),
            width=6,
        ),
        lines(
            "Workers replaced",
            "Of ten minutes, by pod; the pod went on.",
            NUMBER,
            Query(
                "sum by (pod) (increase("
                + serving("taxi_predictor_worker_restarts_total", span="10m")
                + "))",
                "{{pod}}",
            ),
            Query(
                "sum by (pod) (increase("
                + of_monitor("taxi_monitor_worker_restarts_total", span="10m")
                + "))",
                "{{pod}}",
            ),
            width=6,
        ),
        lines(
            "Containers started again",
            "Within an hour, by pod.",
            NUMBER,
            Query(
                "sum by (pod) (increase(kube_pod_container_status_restarts_total{"
                f'{_PLACE}, pod=~"$release-.*"}}[1h]))',
                "{{pod}}",
            ),
            width=6,
            without=_STATE_METRICS,
        ),
        lines(
            "Jobs that failed",
            "Of those that are still there.",
            NUMBER,
            Query(
                f'max by (job_name) (kube_job_status_failed{{{_PLACE}, job_name=~"$release-.*"}})',
                "{{job_name}}",
            ),
            width=6,
            without=_STATE_METRICS,
        ),
    ],
)

REPORTS: Final = Row(
    "Batch report",
    [
        lines(
            "Batch report over its alarm level",
            "Largest score over its threshold in the report of the newest span; 1 is an alarm.",
            NUMBER,
            Query(_report("score_ratio"), "{{model}}"),
            width=6,
            limit=1,
            without=_NO_REPORT,
        ),
        states(
            "Verdict of the batch report",
            "Of the newest span.",
            {"0": ("no drift", "green"), "1": ("drift", "red")},
            Query(_report("drift"), "{{model}}"),
            width=6,
            without=_NO_REPORT,
        ),
        lines(
            "Time since the last batch report",
            "Since one was last made, and since one last failed.",
            SECONDS,
            *(
                Query(f"time() - {_report(f'{name}_timestamp_seconds')}", "{{model}}: " + text)
                for name, text in (
                    ("last_success", "made"),
                    ("last_failure", "failed"),
                    ("last_scheduled_success", "made by the schedule"),
                    ("last_scheduled_failure", "failed by the schedule"),
                )
            ),
            width=6,
            without=_NO_REPORT,
        ),
        lines(
            "Rows of the batch report",
            "Answered rows of the newest span.",
            NUMBER,
            Query(_report("rows"), "{{model}}"),
            width=6,
            without=_NO_REPORT,
        ),
        lines(
            "Time to make the batch report",
            "Of the newest span.",
            SECONDS,
            Query(_report("duration_seconds"), "{{model}}"),
            width=6,
            without=_NO_REPORT,
        ),
    ],
)
