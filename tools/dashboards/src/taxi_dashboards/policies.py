"""The board of the operator: what policies see, what they decided, what became of it."""

from typing import Final

from taxi_dashboards.board import Board, Row
from taxi_dashboards.panels import NUMBER, PER_SECOND, SECONDS, lines, number, states
from taxi_dashboards.queries import RATE, Query, of_operator, per_second, quantile

_NO_POLICY: Final = "no policy"
_YES: Final = {"0": ("no", "green"), "1": ("yes", "red")}
_CONDITION: Final = {
    "0": ("False", "blue"), "1": ("True", "purple"), "2": ("Unknown", "text"),
}  # fmt: skip


def _present(status: str) -> str:
    metric = of_operator("taxi_operator_policy_condition", f'status="{status}"')
    return f"max by (policy, type) ({metric})"


#: One number for each condition: it has a series for its present status alone.
_CONDITIONS: Final = f"{_present('True')} or 0 * {_present('False')} or 2 * {_present('Unknown')}"


def _grown(counter: str, *by: str, matchers: tuple[str, ...] = ()) -> str:
    """Return how much a counter grew within ten minutes: a decision is one event."""
    return f"sum by ({', '.join(by)}) (increase({of_operator(counter, *matchers, span='10m')}))"


_SEEN: Final = Row(
    "What policies see",
    [
        lines(
            "Signals",
            "Last value of each policy's signals.",
            NUMBER,
            Query(
                f"max by (policy, signal) ({of_operator('taxi_operator_signal_value')})",
                "{{policy}}: {{signal}}",
            ),
            signed=True,
            without=_NO_POLICY,
        ),
        states(
            "Signals breached",
            "While a signal is breached.",
            _YES,
            Query(
                f"max by (policy, signal) ({of_operator('taxi_operator_signal_breached')})",
                "{{policy}}: {{signal}}",
            ),
            without=_NO_POLICY,
        ),
        states(
            "Conditions",
            "Of each policy; Ready and MetricsAvailable should be True, the others tell what is.",
            _CONDITION,
            Query(_CONDITIONS, "{{policy}}: {{type}}"),
            without=_NO_POLICY,
        ),
    ],
)

_DONE: Final = Row(
    "What they did",
    [
        lines(
            "Decisions",
            "Of ten minutes, by action.",
            NUMBER,
            Query(
                _grown("taxi_operator_decisions_total", "policy", "action"),
                "{{policy}}: {{action}}",
            ),
            without=_NO_POLICY,
        ),
        lines(
            "Retrainings that ended",
            "Within ten minutes, by how; and Jobs that existed already and were adopted.",
            NUMBER,
            Query(_grown("taxi_operator_runs_total", "policy", "result"), "{{policy}}: {{result}}"),
            Query(
                _grown("taxi_operator_duplicates_prevented_total", "policy"), "{{policy}}: adopted"
            ),
            without=_NO_POLICY,
        ),
        states(
            "Traffic",
            "The role that the active Service selects.",
            {"0": ("no", "text"), "1": ("serves", "green")},
            Query(
                f"max by (model_role) ({of_operator('taxi_operator_traffic_active')})",
                "{{model_role}}",
            ),
            without="not known yet",
        ),
        states(
            "Champion without a ready pod",
            "For a minute and more, by policy.",
            _YES,
            Query(
                f"max by (policy) ({of_operator('taxi_operator_champion_unavailable')})",
                "{{policy}}",
            ),
            without=_NO_POLICY,
        ),
        lines(
            "Rescues",
            "Moves of the traffic within ten minutes because the champion had no ready pod.",
            NUMBER,
            Query(_grown("taxi_operator_rescues_total", "policy"), "{{policy}}"),
            without=_NO_POLICY,
        ),
        number(
            "Time of the last switch",
            "From the patch to switched endpoints.",
            SECONDS,
            Query(
                f"max by (namespace) ({of_operator('taxi_operator_last_switch_seconds')})",
                "last switch",
            ),
            width=8,
            without="none yet",
        ),
    ],
)

_OPERATOR: Final = Row(
    "Operator",
    [
        lines(
            "Evaluations of policies",
            "By result.",
            PER_SECOND,
            Query(
                per_second(
                    of_operator("taxi_operator_reconciles_total", span=RATE), "policy", "result"
                ),
                "{{policy}} {{result}}",
            ),
            without=_NO_POLICY,
        ),
        lines(
            "How late evaluations start",
            "Against their interval.",
            SECONDS,
            Query(
                f"max by (policy) ({of_operator('taxi_operator_reconcile_lag_seconds')})",
                "{{policy}}",
            ),
            without=_NO_POLICY,
        ),
        lines(
            "Time of an evaluation",
            "Of any policy.",
            SECONDS,
            Query(
                quantile(
                    0.99, of_operator("taxi_operator_reconcile_duration_seconds_bucket", span=RATE)
                ),
                "p99",
            ),
            without=_NO_POLICY,
        ),
        lines(
            "Failed calls",
            "By system.",
            PER_SECOND,
            Query(
                per_second(of_operator("taxi_operator_api_errors_total", span=RATE), "system"),
                "{{system}}",
            ),
        ),
        lines(
            "Notices",
            "Tries to deliver them to the webhook, by result.",
            PER_SECOND,
            Query(
                per_second(
                    of_operator("taxi_operator_webhook_deliveries_total", span=RATE), "result"
                ),
                "{{result}}",
            ),
        ),
        lines(
            "Notices that wait",
            "Due and not delivered yet.",
            NUMBER,
            Query(
                f"max by (namespace) ({of_operator('taxi_operator_webhook_pending')})", "pending"
            ),
        ),
    ],
)

BOARD: Final = Board(
    "policies",
    "policies and operator",
    "What policies see, what they decided, and what became of it.",
    [_SEEN, _DONE, _OPERATOR],
)
