"""The story of drift without damage: the inputs are others, and the model is as good as before."""

from collections.abc import Sequence
from typing import Final

from taxi_stories.example import TAXI
from taxi_stories.hands import Hands
from taxi_stories.looks import actions, promoted
from taxi_stories.scenario import WITHOUT_REPORTS, Claim, Deed, Scenario, Snapshot
from taxi_stories.sender import Rate

#: With 3,000 to 8,000 the gate says the same (samples/README.md).
_RIDES: Final = 6_000
#: They have more than 100 miles.
_IMPOSSIBLE: Final = 6
_ALARM: Final = 1.0
#: Looks after the last ride, until its label is in the log.
_LOOKS_AFTER_ALL: Final = 2
_ENDS: Final = {"Refused", "Promoted", "Failed", "RolledBack"}


def _has_told(snapshots: Sequence[Snapshot]) -> bool:
    """Tell whether the dry run said what it would do, and all that a run can use is in the log."""
    last = snapshots[-1]
    after = [one for one in snapshots if one.sent == _RIDES]
    return "DryRunRetrain" in actions([last]) and len(after) > _LOOKS_AFTER_ALL


def _enforce(hands: Hands, _: Sequence[Snapshot]) -> None:
    hands.patch({"mode": "Enforce"})


def _is_over(snapshots: Sequence[Snapshot], _all_sent: bool) -> bool:
    """Over when the run has ended, whatever it came to."""
    return snapshots[-1].run in _ENDS


def _claims(snapshots: Sequence[Snapshot]) -> list[Claim]:
    last = snapshots[-1]
    drifts = [one.drift for one in snapshots if one.drift is not None]
    errors = [one.error for one in snapshots if one.error is not None]
    dry = [one for one in snapshots if one.spec.get("mode") == "DryRun"]
    candidate = last.candidate
    compared = f"RMSE {candidate.get('candidateRmse')} against {candidate.get('championRmse')}"
    return [
        (f"all {_RIDES} rides were sent", last.sent == _RIDES),
        ("only the impossible ones were refused", last.refused == _IMPOSSIBLE),
        ("the inputs gave the alarm", bool(drifts) and max(drifts) >= _ALARM),
        ("the error gave none", bool(errors) and max(errors) < _ALARM),
        ("the dry run said that it would retrain", "DryRunRetrain" in actions(dry)),
        ("and started nothing", bool(dry) and {one.run for one in dry} == {"-"}),
        ("once it was let, the policy retrained", "Retrain" in actions(snapshots)),
        (
            f"the candidate was refused as not better: {compared}",
            (last.run, candidate.get("verdict")) == ("Refused", "NotBetter"),
        ),
        ("nothing was promoted", not promoted(snapshots)),
    ]


HARMLESS: Final = Scenario(
    name="harmless",
    opening="""
The same model of January 2021 meets the rides of January 2022: other zones, shorter ways. The
inputs give the alarm, and the model is as good as ever: drift is not damage. The policy begins as a
dry run, which says what it would do. A person lets it act; a candidate is trained, and the gate
refuses it, since it is not better on rides that neither saw.
""",
    example=TAXI,
    first="green-2021-01",
    stream="green-2022-01-head",
    rows=_RIDES,
    rate=Rate(rows_per_second=160, batch_size=40, label_delay_seconds=3, patience_seconds=120),
    is_over=_is_over,
    claims=_claims,
    by_hand=(
        Deed(
            "the dry run has said what it would do; it is let act (docs/drift-policy.md)",
            _has_told,
            _enforce,
        ),
    ),
    seconds=1200,
    namespace="taxi-quiet",
    values=WITHOUT_REPORTS,
)
