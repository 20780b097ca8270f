"""The board of the pipeline: doors, spool, delivery, MongoDB, Jobs, pods, volumes."""

from typing import Final

from taxi_dashboards.board import Board, Row
from taxi_dashboards.keeping import ALIVE, PODS, REPORTS, STORED, alone
from taxi_dashboards.panels import (
    BYTES,
    BYTES_PER_SECOND,
    NUMBER,
    PER_SECOND,
    SECONDS,
    SHARE,
    lines,
    states,
)
from taxi_dashboards.queries import (
    RATE,
    Query,
    of_models,
    of_monitor,
    per_second,
    quantile,
    serving,
)


def _asked() -> str:
    """Return all rows that the predictors were asked, a second."""
    names = ("predictions_total", "refused_rows_total", "failed_rows_total")
    return " + ".join(
        per_second(serving(f"taxi_predictor_{name}", span=RATE), "namespace") for name in names
    )


def _share_of_rows(counter: str, *by: str) -> str:
    labels = ("namespace", *by)
    counted = per_second(serving(f"taxi_predictor_{counter}", span=RATE), *labels)
    return f"{counted} / on (namespace) group_left () ({_asked()})"


def _by_pod(metric: str, function: str = "max") -> str:
    return f"{function} by (pod) ({serving(f'taxi_predictor_{metric}')})"


def _rows(counter: str, *by: str, span: str = RATE) -> str:
    return per_second(serving(f"taxi_predictor_{counter}", span=span), *by)


def _posted(counter: str, *by: str) -> str:
    return per_second(of_monitor(f"taxi_monitor_{counter}", span=RATE), *by)


_REFUSED: Final = Row(
    "Rows that are not as they should be",
    [
        lines(
            "Rows refused or failed",
            "Shares of all rows asked, by field or reason.",
            SHARE,
            Query(_share_of_rows("refused_rows_total", "reason"), "refused: {{reason}}"),
            Query(_share_of_rows("failed_rows_total", "reason"), "failed: {{reason}}"),
            Query(
                _share_of_rows("shadow_failed_rows_total", "model_role", "reason"),
                "shadow {{model_role}} failed: {{reason}}",
            ),
            without="no rows",
        ),
        lines(
            "Fields that nobody reads",
            "Rows with a field that the schema does not declare, by its name, and of which such "
            "fields were not kept for the log, by reason.",
            PER_SECOND,
            Query(_rows("undeclared_fields_total", "field"), "{{field}}"),
            Query(_rows("extra_dropped_rows_total", "reason"), "not kept: {{reason}}"),
            without="none",
        ),
        lines(
            "Rows answered and not logged",
            "By reason; any of them is a loss.",
            PER_SECOND,
            Query(_rows("unlogged_rows_total", "reason"), "{{reason}}"),
        ),
    ],
)

_SPOOL: Final = Row(
    "Spool and delivery",
    [
        lines(
            "Records not yet in the log",
            "What a lost node would lose, by pod.",
            NUMBER,
            Query(_by_pod("spool_records", "sum"), "{{pod}}"),
            width=6,
        ),
        lines(
            "Bytes not yet in the log",
            "On the disk of each pod.",
            BYTES,
            Query(_by_pod("spool_bytes", "sum"), "{{pod}}"),
            width=6,
        ),
        lines(
            "Age of the oldest record",
            "Of those that are not in the log.",
            SECONDS,
            Query(_by_pod("spool_oldest_record_age_seconds"), "{{pod}}"),
            width=6,
        ),
        lines(
            "Silence of the delivery",
            "Time since the pod's delivery gave a sign of life.",
            SECONDS,
            Query(_by_pod("delivery_heartbeat_age_seconds"), "{{pod}}"),
            width=6,
        ),
        lines(
            "Records delivered",
            "By destination.",
            PER_SECOND,
            Query(_rows("logged_records_total", "destination"), "to {{destination}}"),
            width=6,
            without="no rows",
        ),
        lines(
            "Batches that failed",
            "By destination; each is tried again.",
            PER_SECOND,
            Query(
                per_second(
                    serving("taxi_predictor_log_writes_total", 'result!="ok"', span=RATE),
                    "destination",
                ),
                "to {{destination}}",
            ),
            width=6,
        ),
        lines(
            "Bytes lost",
            "Of answered rows that could not be read from the spool, by reason.",
            BYTES_PER_SECOND,
            Query(_rows("spool_lost_bytes_total", "reason"), "{{reason}}"),
            width=6,
        ),
        lines(
            "Counter files that cannot be read",
            "Left behind by workers that were killed.",
            NUMBER,
            Query(_by_pod("torn_counter_files", "sum"), "{{pod}}"),
            width=6,
        ),
    ],
)

_DOORS: Final = Row(
    "Doors of the monitor",
    [
        lines(
            "Records",
            "By source and result.",
            PER_SECOND,
            Query(_posted("records_total", "source", "result"), "{{source}} {{result}}"),
        ),
        lines(
            "Labels",
            "By result.",
            PER_SECOND,
            Query(_posted("labels_total", "result"), "{{result}}"),
        ),
        lines(
            "How late labels come",
            "Median time from the answer to its label.",
            SECONDS,
            Query(
                quantile(0.5, of_monitor("taxi_monitor_label_lag_seconds_bucket", span=RATE)),
                "p50",
            ),
            without="no labels",
        ),
        lines(
            "Events of inference loggers",
            "By half and result.",
            PER_SECOND,
            Query(_posted("events_total", "half", "result"), "{{half}} {{result}}"),
        ),
        lines(
            "Events without their other half",
            "Requests without a response yet, and responses without a request.",
            NUMBER,
            Query(alone("taxi_monitor_pending_events"), "waiting"),
        ),
        lines(
            "Documents that cannot be read",
            "By source, collection and the field at fault.",
            PER_SECOND,
            Query(
                _posted("unreadable_documents_total", "source", "collection", "field"),
                "{{source}} {{collection}} {{field}}",
            ),
            without="all can be read",
        ),
    ],
)

_MONITOR: Final = Row(
    "Monitor",
    [
        lines(
            "Age of the verdict",
            "Time since the last finished evaluation.",
            SECONDS,
            Query(of_models("taxi_monitor_evaluation_age_seconds"), "{{model_role}}"),
            width=6,
            without="not evaluated yet",
        ),
        lines(
            "Evaluations",
            "By result.",
            PER_SECOND,
            Query(_posted("evaluations_total", "result"), "{{result}}"),
            width=6,
        ),
        lines(
            "Time of an evaluation",
            "Of all windows.",
            SECONDS,
            Query(
                quantile(
                    0.99,
                    of_monitor("taxi_monitor_evaluation_duration_seconds_bucket", span=RATE),
                ),
                "p99",
            ),
            width=6,
        ),
        states(
            "Threads",
            "While a background thread lives.",
            ALIVE,
            Query(f"min by (thread) ({of_monitor('taxi_monitor_background_up')})", "{{thread}}"),
            width=6,
        ),
    ],
)

BOARD: Final = Board(
    "pipeline",
    "pipeline",
    "From the request into the log: doors, spool, delivery, MongoDB, Jobs, pods, volumes.",
    [_REFUSED, _SPOOL, _DOORS, _MONITOR, STORED, PODS, REPORTS],
)
