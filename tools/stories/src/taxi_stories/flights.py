"""The story of the shipped flights, beside a release of the rides.

Which months, windows and thresholds show what was measured: docs/models.md.
"""

from collections.abc import Sequence
from typing import Final

from taxi_stories.example import FLIGHTS as EXAMPLE
from taxi_stories.example import TAXI
from taxi_stories.looks import promoted, retrained
from taxi_stories.scenario import Claim, Neighbour, Scenario, Snapshot
from taxi_stories.sender import Rate

#: Windows of 2,000 flights never reach the threshold of the inputs, these do.
_WINDOW_FLIGHTS: Final = 10_000
#: The policy decides on a whole window at least, and these are all that a retraining can find:
#: what the gate says of any number between the two is known.
_BEFORE_PROMOTION: Final = 11_000
_JULY: Final = 29_425
#: Looks after the last flight, until its label is in the error.
_LOOKS_AFTER_ALL: Final = 5


def _is_over(snapshots: Sequence[Snapshot], all_sent: bool) -> bool:
    """Over when the new champion answered the rest of the month and the error was seen."""
    if not (all_sent and promoted(snapshots)):
        return False
    last = [snapshot for snapshot in snapshots if snapshot.sent == snapshots[-1].sent]
    return len(last) >= _LOOKS_AFTER_ALL


def _claims(snapshots: Sequence[Snapshot]) -> list[Claim]:
    last = snapshots[-1]
    return [
        (f"all {_JULY} flights were sent", last.sent == _JULY),
        ("none was refused", last.refused == 0),
        # Single days of storms would say what the weather was.
        *retrained(snapshots, EXAMPLE, _WINDOW_FLIGHTS),
    ]


FLIGHTS: Final = Scenario(
    name="flights",
    opening="""
Another model by the same chart, in the same namespace as one of the rides: how late flights from
New York arrive. It was trained on January 2013; then comes July, with other destinations and
thunderstorms, and cancelled flights that never get a label. The policy has to see it, train a
candidate, let it prove itself and promote it; and the release of the rides must notice nothing.
""",
    example=EXAMPLE,
    first="flights-2013-01",
    stream="flights-2013-07",
    rows=_JULY,
    rate=Rate(rows_per_second=500, batch_size=100, label_delay_seconds=2, patience_seconds=120),
    is_over=_is_over,
    claims=_claims,
    reserve=_JULY - _BEFORE_PROMOTION,
    spends_reserve=lambda snapshots: bool(promoted(snapshots)),
    seconds=1500,
    release="flights",
    namespace="flights",
    values={
        "monitor": {"windowRows": _WINDOW_FLIGHTS, "errorWindowRows": _WINDOW_FLIGHTS},
        # The rides' stories show it.
        "batchReport": {"enabled": False},
    },
    neighbour=Neighbour("taxi", TAXI, "green-2021-01", "green-2021-02-head", rows=2_500),
)
