"""The two stories of the shipped rides."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taxi_domain.reports import DRIFT
from taxi_stories.sender import Rate
from taxi_stories.story import Scenario, Snapshot

_ALARM: Final = 1.0
_QUIET_RIDES: Final = 8_000
#: One of them has 102,621 miles; the predictor must refuse it, and no other.
_QUIET_IMPOSSIBLE: Final = 1


def _actions(snapshots: Sequence[Snapshot]) -> list[str]:
    decisions = [snapshot.status.get("decision") or {} for snapshot in snapshots]
    return sorted({str(one["action"]) for one in decisions if one.get("action")})


def _last(snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    return dict(snapshots[-1].status.get("candidate") or {}) if snapshots else {}


def _promoted(snapshots: Sequence[Snapshot]) -> list[int]:
    """Positions of the looks after the promotion."""
    return [
        number
        for number, snapshot in enumerate(snapshots)
        if (snapshot.status.get("candidate") or {}).get("state") == "Promoted"
    ]


def _errors(snapshots: Sequence[Snapshot]) -> tuple[float | None, float | None]:
    """Largest RMSE before the promotion and the last one after it, minutes."""
    after = _promoted(snapshots)
    cut = after[0] if after else len(snapshots)
    before = [snapshot.rmse for snapshot in snapshots[:cut] if snapshot.rmse is not None]
    # Right after the promotion Prometheus may still hold the old version's last sample.
    later = [snapshot.rmse for snapshot in snapshots[cut + 2 :] if snapshot.rmse is not None]
    return (max(before) if before else None), (later[-1] if later else None)


def _quiet_is_over(snapshots: Sequence[Snapshot], all_sent: bool) -> bool:
    """Over when the last ride's window was evaluated and seen a few times."""
    if not all_sent:
        return False
    last = [snapshot for snapshot in snapshots if snapshot.sent == snapshots[-1].sent]
    return len(last) >= 5


def _quiet_claims(snapshots: Sequence[Snapshot]) -> list[tuple[str, bool]]:
    drifts = [snapshot.drift for snapshot in snapshots if snapshot.drift is not None]
    errors = [snapshot.error for snapshot in snapshots if snapshot.error is not None]
    last = snapshots[-1]
    return [
        (f"all {_QUIET_RIDES} rides were sent", last.sent == _QUIET_RIDES),
        ("only the impossible one was refused", last.refused == _QUIET_IMPOSSIBLE),
        ("the monitor measured the inputs and the error", bool(drifts and errors)),
        ("the inputs gave no alarm", bool(drifts) and max(drifts) < _ALARM),
        ("the error gave no alarm", bool(errors) and max(errors) < _ALARM),
        ("the policy saw its signals", last.condition("MetricsAvailable") == "True"),
        ("the policy did nothing", not _actions(snapshots)),
    ]


def _collapse_is_over(snapshots: Sequence[Snapshot], _all_sent: bool) -> bool:
    """Over when the new champion's error has been seen."""
    before, after = _errors(snapshots)
    return before is not None and after is not None and after < before


def _collapse_claims(snapshots: Sequence[Snapshot]) -> list[tuple[str, bool]]:
    before, after = _errors(snapshots)
    candidate = _last(snapshots)
    fell = before is not None and after is not None and after < before
    return [
        (
            "drift was detected",
            any(snapshot.condition("DriftDetected") == "True" for snapshot in snapshots),
        ),
        ("the policy decided to retrain", "Retrain" in _actions(snapshots)),
        (
            "the candidate was better on rides that neither saw",
            candidate.get("verdict") == "Better",
        ),
        ("the candidate was promoted", bool(_promoted(snapshots))),
        (
            "the error fell"
            if not fell
            else f"the error fell: RMSE {before:.2f} -> {after:.2f} min",
            fell,
        ),
    ]


def _collapse_report_claims(document: Mapping[str, Any]) -> list[tuple[str, bool]]:
    verdicts = [one["verdict"] for one in document["versions"]]
    return [
        ("the batch report says drift", DRIFT in verdicts),
        ("it has the model of before and the one that was promoted", len(verdicts) > 1),
    ]


QUIET: Final = Scenario(
    name="quiet",
    opening="""
The model was trained on the rides of January 2021. The rides that follow, of February, are
much like them. A monitor that cries wolf here is of no use to anybody: nothing must happen.
""",
    stream="green-2021-02-head",
    first_model={"example": "taxi_duration/green-2021-01"},
    rides=_QUIET_RIDES,
    rate=Rate(rows_per_second=160, batch_size=40, label_delay_seconds=3, patience_seconds=120),
    is_over=_quiet_is_over,
    claims=_quiet_claims,
    seconds=400,
)

COLLAPSE: Final = Scenario(
    name="collapse",
    opening="""
The model was trained on the rides of 1 to 13 March 2020. Then New York shuts down: from
22 March the streets are empty and the same way takes half the time. The policy has to see it,
train a candidate on what comes in, let it prove itself on rides that neither model saw, and
promote it; and the error has to fall.
""",
    stream="green-2020-03-after",
    first_model={"example": "taxi_duration/green-2020-03-before"},
    rides=16_000,
    rate=Rate(rows_per_second=100, batch_size=25, label_delay_seconds=3, patience_seconds=120),
    is_over=_collapse_is_over,
    claims=_collapse_claims,
    report_claims=_collapse_report_claims,
    reserve=3_000,
    spends_reserve=lambda snapshots: bool(_promoted(snapshots)),
    seconds=700,
)

SCENARIOS: Final = {scenario.name: scenario for scenario in (QUIET, COLLAPSE)}
