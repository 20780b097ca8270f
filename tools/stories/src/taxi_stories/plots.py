"""The two stories of the shipped rides."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taxi_domain.reports import DRIFT
from taxi_stories.sender import Pace
from taxi_stories.story import Look, Plot

_ALARM: Final = 1.0
_QUIET_RIDES: Final = 8_000
#: One of them has 102,621 miles; the predictor must refuse it, and no other.
_QUIET_IMPOSSIBLE: Final = 1


def _actions(looks: Sequence[Look]) -> list[str]:
    decisions = [look.status.get("decision") or {} for look in looks]
    return sorted({str(one["action"]) for one in decisions if one.get("action")})


def _last(looks: Sequence[Look]) -> dict[str, Any]:
    return dict(looks[-1].status.get("candidate") or {}) if looks else {}


def _promoted(looks: Sequence[Look]) -> list[int]:
    """Positions of the looks after the promotion."""
    return [
        number
        for number, look in enumerate(looks)
        if (look.status.get("candidate") or {}).get("state") == "Promoted"
    ]


def _errors(looks: Sequence[Look]) -> tuple[float | None, float | None]:
    """Largest RMSE before the promotion and the last one after it, minutes."""
    after = _promoted(looks)
    cut = after[0] if after else len(looks)
    before = [look.rmse_minutes for look in looks[:cut] if look.rmse_minutes is not None]
    # Right after the promotion Prometheus may still hold the old version's last sample.
    later = [look.rmse_minutes for look in looks[cut + 2 :] if look.rmse_minutes is not None]
    return (max(before) if before else None), (later[-1] if later else None)


def _quiet_is_over(looks: Sequence[Look], all_sent: bool) -> bool:
    """Over when the last ride's window was evaluated and seen a few times."""
    if not all_sent:
        return False
    last = [look for look in looks if look.sent == looks[-1].sent]
    return len(last) >= 5


def _quiet_claims(looks: Sequence[Look]) -> list[tuple[str, bool]]:
    drifts = [look.drift for look in looks if look.drift is not None]
    errors = [look.error for look in looks if look.error is not None]
    last = looks[-1]
    return [
        (f"all {_QUIET_RIDES} rides were sent", last.sent == _QUIET_RIDES),
        ("only the impossible one was refused", last.refused == _QUIET_IMPOSSIBLE),
        ("the monitor measured the inputs and the error", bool(drifts and errors)),
        ("the inputs gave no alarm", bool(drifts) and max(drifts) < _ALARM),
        ("the error gave no alarm", bool(errors) and max(errors) < _ALARM),
        ("the policy saw its signals", last.condition("MetricsAvailable") == "True"),
        ("the policy did nothing", not _actions(looks)),
    ]


def _collapse_is_over(looks: Sequence[Look], _all_sent: bool) -> bool:
    """Over when the new champion's error has been seen."""
    before, after = _errors(looks)
    return before is not None and after is not None and after < before


def _collapse_claims(looks: Sequence[Look]) -> list[tuple[str, bool]]:
    before, after = _errors(looks)
    candidate = _last(looks)
    fell = before is not None and after is not None and after < before
    return [
        ("drift was detected", any(look.condition("DriftDetected") == "True" for look in looks)),
        ("the policy decided to retrain", "Retrain" in _actions(looks)),
        (
            "the candidate was better on rides that neither saw",
            candidate.get("verdict") == "Better",
        ),
        ("the candidate was promoted", bool(_promoted(looks))),
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


QUIET: Final = Plot(
    name="quiet",
    opening="""
The model was trained on the rides of January 2021. The rides that follow, of February, are
much like them. A monitor that cries wolf here is of no use to anybody: nothing must happen.
""",
    stream="green-2021-02-head",
    first_model={"data": "green-2021-01"},
    rides=_QUIET_RIDES,
    pace=Pace(rides_per_second=160, batch_size=40, label_delay_seconds=3, patience_seconds=120),
    is_over=_quiet_is_over,
    claims=_quiet_claims,
    seconds=400,
)

COLLAPSE: Final = Plot(
    name="collapse",
    opening="""
The model was trained on the rides of 1 to 13 March 2020. Then New York shuts down: from
22 March the streets are empty and the same way takes half the time. The policy has to see it,
train a candidate on what comes in, let it prove itself on rides that neither model saw, and
promote it; and the error has to fall.
""",
    stream="green-2020-03-after",
    first_model={"data": "green-2020-03-before"},
    rides=16_000,
    pace=Pace(rides_per_second=100, batch_size=25, label_delay_seconds=3, patience_seconds=120),
    is_over=_collapse_is_over,
    claims=_collapse_claims,
    report_claims=_collapse_report_claims,
    reserve=3_000,
    spends_reserve=lambda looks: bool(_promoted(looks)),
    seconds=700,
)

PLOTS: Final = {plot.name: plot for plot in (QUIET, COLLAPSE)}
