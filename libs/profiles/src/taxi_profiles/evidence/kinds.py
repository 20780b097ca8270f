"""Which kind of drift it is: what an operator may do about it."""

from enum import StrEnum

from taxi_profiles.evidence.judgement import Judgement, State
from taxi_profiles.evidence.signals import ESTIMATED_HARM, GAIN, HARM, HARMFUL_BIAS
from taxi_profiles.evidence.streams import Group


class Kind(StrEnum):
    """Kinds of drift; `docs/verdict.md` says what each lets one do."""

    NONE = "None"
    BENIGN = "Benign"
    EXPECTED_HARM = "ExpectedHarm"
    HARMFUL_COVARIATE = "HarmfulCovariate"
    CONCEPT = "Concept"
    DATA_FAULT = "DataFault"
    BLIND = "Blind"


class Labels(StrEnum):
    """What is known of labels: they keep up with the rows, are still to come, or are overdue."""

    KNOWN = "known"
    PENDING = "pending"
    OVERDUE = "overdue"


def kind_of(rows: Judgement | None, errors: Judgement | None, labels: Labels) -> Kind:
    """Return the kind of drift.

    Where inputs changed it is the error of all rows that makes it harmful. A slice alone is blamed:
    its error may have grown while that of the whole fell.

    Args:
        rows: Of the rows; None where there is none yet.
        errors: Of the labelled rows; None where there is none yet.
        labels: Whether the labels of the rows that were judged are there.
    """
    sides = [one for one in (rows, errors) if one is not None]
    if not any(one.state is State.ALARM for one in sides):
        return Kind.NONE
    if any(one.believes(Group.FAULTS) for one in sides):
        return Kind.DATA_FAULT
    harm = errors is not None and errors.believes(Group.ERROR)
    inputs = rows is not None and (rows.believes(Group.INPUTS) or rows.believes(Group.OUTPUTS))
    if not (inputs or harm):
        return Kind.NONE
    if harm and not inputs:
        return Kind.CONCEPT
    if errors is not None and harm and any(map(errors.believes, (HARM, HARMFUL_BIAS, GAIN))):
        return Kind.HARMFUL_COVARIATE
    return _harmless_so_far(rows, labels)


def _harmless_so_far(rows: Judgement | None, labels: Labels) -> Kind:
    if labels is Labels.OVERDUE:
        return Kind.BLIND
    expected = rows is not None and rows.believes(ESTIMATED_HARM)
    return Kind.EXPECTED_HARM if expected and labels is Labels.PENDING else Kind.BENIGN
