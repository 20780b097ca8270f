"""What the looks of a story say together."""

from collections.abc import Sequence

from taxi_stories.example import Example
from taxi_stories.scenario import Claim, Snapshot


def actions(snapshots: Sequence[Snapshot]) -> list[str]:
    """Return what the policy decided to do."""
    decisions = [snapshot.status.get("decision") or {} for snapshot in snapshots]
    return sorted({str(one["action"]) for one in decisions if one.get("action")})


def promoted(snapshots: Sequence[Snapshot]) -> list[int]:
    """Return the positions of the looks after the promotion."""
    return [
        number
        for number, snapshot in enumerate(snapshots)
        if snapshot.candidate.get("state") == "Promoted"
    ]


def errors(snapshots: Sequence[Snapshot]) -> tuple[float | None, float | None]:
    """Return the largest RMSE before the promotion and the last one after it."""
    after = promoted(snapshots)
    cut = after[0] if after else len(snapshots)
    before = [snapshot.rmse for snapshot in snapshots[:cut] if snapshot.rmse is not None]
    # Right after the promotion Prometheus may still hold the old version's last sample.
    later = [snapshot.rmse for snapshot in snapshots[cut + 2 :] if snapshot.rmse is not None]
    return (max(before) if before else None), (later[-1] if later else None)


def retrained(snapshots: Sequence[Snapshot], example: Example, window_rows: int = 0) -> list[Claim]:
    """Return the claims of a story in which drift leads to a better model.

    Args:
        snapshots: All looks.
        example: Whose rows were sent.
        window_rows: Fewest rows of a window whose error is compared.
    """
    before, after = errors([one for one in snapshots if (one.window_rows or 0) >= window_rows])
    fell = before is not None and after is not None and after < before
    unit = example.schema.target.unit
    return [
        (
            "drift was detected",
            any(snapshot.condition("DriftDetected") == "True" for snapshot in snapshots),
        ),
        ("the policy decided to retrain", "Retrain" in actions(snapshots)),
        (
            f"the candidate was better on {example.noun} that neither saw",
            bool(snapshots) and snapshots[-1].candidate.get("verdict") == "Better",
        ),
        ("the candidate was promoted", bool(promoted(snapshots))),
        (
            "the error fell"
            if not fell
            else f"the error fell: RMSE {before:.2f} -> {after:.2f} {unit}",
            fell,
        ),
    ]
