"""The story of an emergency: a useless version is promoted by mistake while requests flow."""

from collections.abc import Sequence
from typing import Final

from taxi_stories.client import Counts
from taxi_stories.example import TAXI
from taxi_stories.hands import Hands
from taxi_stories.scenario import WITHOUT_REPORTS, Claim, Deed, Scenario, Snapshot
from taxi_stories.sender import Rate

_RIDES: Final = 18_000
#: Kept until the useless version answers: how long it takes to make depends on the machine.
_RESERVE: Final = 15_000
#: Rows of labels that the policy's signal needs, and looks that show a state that lasts.
_LABELLED: Final = 500
#: Minutes: the limit of the story's policy.
_LIMIT: Final = 8.0
_LASTING: Final = 3
_FALLBACK: Final = "Fallback"
_ROLLBACK: Final = "Rollback"
_ROLLED_BACK: Final = "RolledBack"
_CHAMPION: Final = "Champion"
#: Durations in the order of the file turned round: each ride has that of another one.
_MISTAKE: Final = """
cd /tmp && models=/opt/taxi/share/models/taxi_duration
python -c "
import pyarrow.parquet as pq
rows = pq.read_table('$models/samples/green-2021-01.parquet').slice(0, 10000)
place, wrong = rows.column_names.index('duration'), rows['duration'].combine_chunks()[::-1]
pq.write_table(rows.set_column(place, 'duration', wrong), 'rows.parquet')"
taxi-train fit --schema $models/schema.toml --data rows.parquet --out made
version=$(taxi-models import made/champion.tar | cut -d: -f1)
taxi-models promote $version --force
"""


def _serves_well(snapshots: Sequence[Snapshot]) -> bool:
    """Tell whether the champion's error is known, and a client was answered by it."""
    last = snapshots[-1]
    return (
        last.rmse is not None
        and last.traffic == _CHAMPION
        and last.sent > _LABELLED
        and bool(last.client and last.client.versions)
    )


def _force_a_useless_version(hands: Hands, snapshots: Sequence[Snapshot]) -> None:
    printed = hands.train(_MISTAKE)
    hands.roll(_deployment(snapshots), printed)


def _has_answered(snapshots: Sequence[Snapshot]) -> bool:
    """Tell whether a client was answered by another version than the first one."""
    return any(set(_versions(one)) - set(_first(snapshots)) for one in snapshots)


def _is_rescued(snapshots: Sequence[Snapshot]) -> bool:
    """Tell whether the fallback has answered for some looks."""
    return [one.traffic for one in snapshots[-_LASTING:]] == [_FALLBACK] * _LASTING


def _roll_back(hands: Hands, _: Sequence[Snapshot]) -> None:
    hands.patch({"rollbackRequest": "its labels were in the wrong order"})


def _is_over(snapshots: Sequence[Snapshot], _all_sent: bool) -> bool:
    """Over when the champion of before answers everything again for some looks."""
    lately = snapshots[-_LASTING:]
    seen = {(one.traffic, _versions(one)) for one in lately}
    return seen == {(_CHAMPION, _first(snapshots))}


def _claims(snapshots: Sequence[Snapshot]) -> list[Claim]:
    moved = [number for number, one in enumerate(snapshots) if one.traffic == _FALLBACK]
    before = snapshots[: moved[0]] if moved else snapshots
    # A look may come behind the move already: the window is the champion's all the same.
    back = [number for number, one in enumerate(snapshots) if one.run == _ROLLED_BACK]
    until = back[0] if back else len(snapshots)
    rmse = [one.rmse for one in snapshots[:until] if one.rmse is not None]
    worst = max(rmse, default=0.0)
    counts = _counts(snapshots)
    told = snapshots[-1].status.get("history") or []
    good = _first(snapshots)
    useless = {one for look in before for one in _versions(look)} - set(good)
    there = {one for number in moved for one in _versions(snapshots[number])}
    return [
        (
            f"the useless version erred: RMSE {worst:.2f} instead of {min(rmse, default=0):.2f}",
            bool(rmse) and worst > _LIMIT and min(rmse) < _LIMIT,
        ),
        ("clients were answered by it", bool(useless)),
        (
            "the traffic moved to the fallback because of the error",
            any(one["action"] == _FALLBACK and one["because"] == ["useless"] for one in told),
        ),
        ("clients were answered by the fallback", bool(there - useless - set(good))),
        (
            "the version of before was rolled back to",
            any((one["action"], one.get("outcome")) == (_ROLLBACK, _ROLLED_BACK) for one in told),
        ),
        ("the traffic returned", bool(moved) and snapshots[-1].traffic == _CHAMPION),
        ("the champion of before answers again", bool(good) and _versions(snapshots[-1]) == good),
        (
            f"of {counts.answered + counts.failed} requests of a client in the cluster none failed",
            counts.answered > 0 and counts.failed == 0,
        ),
    ]


def _deployment(snapshots: Sequence[Snapshot]) -> str:
    return str(snapshots[-1].spec["target"]["deploymentName"])


def _counts(snapshots: Sequence[Snapshot]) -> Counts:
    """Return what the client was answered in all."""
    found = [one.client for one in snapshots if one.client is not None]
    return found[-1] if found else Counts(0, 0)


def _versions(snapshot: Snapshot) -> tuple[str, ...]:
    return snapshot.client.versions if snapshot.client else ()


def _first(snapshots: Sequence[Snapshot]) -> tuple[str, ...]:
    """Return the version that answered first."""
    return next((_versions(one) for one in snapshots if _versions(one)), ())


EMERGENCY: Final = Scenario(
    name="emergency",
    opening="""
A person trains a version by hand, joins the durations to the rides in the wrong order, and forces
it past the gate. The champion knows nothing of a ride any more, while requests flow. The policy
sees the error in minutes, and moves the traffic to the simple fallback; no request fails. The
person rolls back, and the traffic returns.
""",
    example=TAXI,
    first="green-2021-01",
    stream="green-2022-01-head",
    rows=_RIDES,
    rate=Rate(rows_per_second=60, batch_size=30, label_delay_seconds=3, patience_seconds=120),
    is_over=_is_over,
    claims=_claims,
    by_hand=(
        Deed(
            "a version is trained on durations in the wrong order, and forced past the gate",
            _serves_well,
            _force_a_useless_version,
        ),
        Deed(
            "the fallback serves; the version of before is made the champion again",
            _is_rescued,
            _roll_back,
        ),
    ),
    client_rate=20,
    reserve=_RESERVE,
    spends_reserve=_has_answered,
    seconds=1200,
    values=WITHOUT_REPORTS,
)
