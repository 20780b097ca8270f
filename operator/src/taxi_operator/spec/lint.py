"""All that is wrong with a policy, and what is legal and unwise. Pure; needs no cluster.

The operator and the API server stop at the first thing that is wrong. Here it is put right in a
copy, and the next one is looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from taxi_domain.errors import FieldError
from taxi_operator.spec.mended import Mended, unknown_names
from taxi_operator.spec.policy import Policy, policy_of
from taxi_operator.spec.shape import incomplete_signals, misfits
from taxi_operator.spec.unwise import refused_by_schema, unwise

#: A spec has fewer fields that could be wrong.
_MAX_REPAIRS: Final = 200


class Severity(StrEnum):
    """What follows from a problem."""

    #: The API server or the operator refuses the policy.
    ERROR = "error"
    #: It is served, and probably not what is meant.
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to look at: its field as the user wrote it, what is wrong, what to do."""

    severity: Severity
    field: str
    problem: str
    remedy: str


def problems_of(
    spec: object, namespace: str = "default", now: float | None = None
) -> list[Problem]:
    """Return everything that can be told of a spec, errors first.

    Args:
        spec: As a file has it, without the resource's defaults.
        namespace: Where the policy is to be, for its presets.
        now: Present time, seconds since the epoch; without it nothing is said of times.
    """
    if not isinstance(spec, Mapping):
        return [_problem(FieldError("spec", "is missing", "see docs/drift-policy.md"))]
    errors = [*misfits(spec), *incomplete_signals(spec), *unknown_names(spec)]
    usable = Mended(spec)
    for one in errors:
        usable.mend(one.field)
    policy: Policy | None = None
    for _ in range(_MAX_REPAIRS):
        try:
            policy = policy_of(usable.spec, namespace)
            break
        except FieldError as error:
            errors.append(error)
            if not usable.mend(error.field):
                break
    warnings: list[FieldError] = []
    if policy is not None:
        errors += [one for one in refused_by_schema(policy, usable.named) if usable.has(one.field)]
        force = policy.force.problem(now) if policy.force and now is not None else None
        told_of = (*unwise(policy), *((force,) if force else ()))
        warnings = [one for one in told_of if usable.has(one.field)]
    told = dict.fromkeys(_problem(one) for one in errors)
    return [*told, *(_problem(one, Severity.WARNING) for one in warnings)]


def _problem(error: FieldError, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(severity, error.field, error.problem, error.remedy)
