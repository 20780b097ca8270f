"""The stories; those of the quiet weeks and of the collapse."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taxi_domain.reports import DRIFT
from taxi_stories.emergency import EMERGENCY
from taxi_stories.example import TAXI
from taxi_stories.flights import FLIGHTS
from taxi_stories.hands import Hands
from taxi_stories.harmless import HARMLESS
from taxi_stories.looks import actions, errors, promoted, retrained
from taxi_stories.scenario import WITHOUT_REPORTS, Claim, Deed, Scenario, Snapshot
from taxi_stories.sender import Rate

_ALARM: Final = 1.0
_QUIET_RIDES: Final = 8_000
#: One of them has 102,621 miles; the predictor must refuse it, and no other.
_QUIET_IMPOSSIBLE: Final = 1
#: State of a run whose candidate has to be approved of.
_WAITS: Final = "AwaitingApproval"
#: The policy's condition that all of its signals have values.
_SEEN: Final = "MetricsAvailable"


def _quiet_is_over(snapshots: Sequence[Snapshot], all_sent: bool) -> bool:
    """Over when the last ride's window was evaluated and seen a few times, by the policy too.

    A scrape that failed leaves it without data until the next one.
    """
    if not (all_sent and snapshots[-1].condition(_SEEN) == "True"):
        return False
    last = [snapshot for snapshot in snapshots if snapshot.sent == snapshots[-1].sent]
    return len(last) >= 5


def _quiet_claims(snapshots: Sequence[Snapshot]) -> list[Claim]:
    drifts = [snapshot.drift for snapshot in snapshots if snapshot.drift is not None]
    errors = [snapshot.error for snapshot in snapshots if snapshot.error is not None]
    last = snapshots[-1]
    return [
        (f"all {_QUIET_RIDES} rides were sent", last.sent == _QUIET_RIDES),
        ("only the impossible one was refused", last.refused == _QUIET_IMPOSSIBLE),
        ("the monitor measured the inputs and the error", bool(drifts and errors)),
        ("the inputs gave no alarm", bool(drifts) and max(drifts) < _ALARM),
        ("the error gave no alarm", bool(errors) and max(errors) < _ALARM),
        ("the policy saw its signals", last.condition(_SEEN) == "True"),
        ("the policy did nothing", not actions(snapshots)),
    ]


def _awaits_approval(snapshots: Sequence[Snapshot]) -> bool:
    return snapshots[-1].run == _WAITS


def _approve(hands: Hands, snapshots: Sequence[Snapshot]) -> None:
    hands.patch({"approvedCandidate": snapshots[-1].candidate["version"]})


def _collapse_is_over(snapshots: Sequence[Snapshot], _all_sent: bool) -> bool:
    """Over when the new champion's error has been seen."""
    before, after = errors(snapshots)
    return before is not None and after is not None and after < before


def _collapse_claims(snapshots: Sequence[Snapshot]) -> list[Claim]:
    return [
        *retrained(snapshots, TAXI),
        ("it waited until a person approved of it", any(map(_waited, snapshots))),
    ]


def _waited(snapshot: Snapshot) -> bool:
    return snapshot.run == _WAITS and "approvedCandidate" not in snapshot.spec


def _collapse_report_claims(document: Mapping[str, Any]) -> list[Claim]:
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
    example=TAXI,
    first="green-2021-01",
    stream="green-2021-02-head",
    rows=_QUIET_RIDES,
    rate=Rate(rows_per_second=160, batch_size=40, label_delay_seconds=3, patience_seconds=120),
    is_over=_quiet_is_over,
    claims=_quiet_claims,
    seconds=1200,
    values=WITHOUT_REPORTS,
)

COLLAPSE: Final = Scenario(
    name="collapse",
    opening="""
The model was trained on the rides of 1 to 13 March 2020. Then New York shuts down: from
22 March the streets are empty and the same way takes half the time. The policy has to see it,
train a candidate on what comes in, let it prove itself on rides that neither model saw, and
promote it once a person has approved of it; and the error has to fall.
""",
    example=TAXI,
    first="green-2020-03-before",
    stream="green-2020-03-after",
    rows=16_000,
    rate=Rate(rows_per_second=100, batch_size=25, label_delay_seconds=3, patience_seconds=120),
    is_over=_collapse_is_over,
    claims=_collapse_claims,
    report_claims=_collapse_report_claims,
    by_hand=(
        Deed(
            "the candidate is better on rides that neither saw; it is approved of",
            _awaits_approval,
            _approve,
        ),
    ),
    reserve=3_000,
    spends_reserve=lambda snapshots: bool(promoted(snapshots)),
    seconds=1800,
)

SCENARIOS: Final = {one.name: one for one in (QUIET, HARMLESS, EMERGENCY, COLLAPSE, FLIGHTS)}
