"""Effects as data: what a plan wants changed in the world. Each can be carried out again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxi_domain.models import ModelState
from taxi_operator.core.decisions import Traffic
from taxi_operator.core.jobs import PolicyKey


@dataclass(frozen=True, slots=True)
class CreateJob:
    """A Job is there; one of this name that is the policy's is it."""

    manifest: Mapping[str, Any]
    policy: PolicyKey


@dataclass(frozen=True, slots=True)
class MoveAlias:
    """The champion of a model is a version, if it was the expected one."""

    model: str
    to: str
    expected: str


@dataclass(frozen=True, slots=True)
class SetState:
    """A version is accepted or rejected; one that is being removed stays so."""

    version: str
    state: ModelState
    reason: str


@dataclass(frozen=True, slots=True)
class AnnotatePods:
    """The pod template of a Deployment has annotations: new ones roll its pods."""

    deployment: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AnnotateService:
    """A Service has annotations; None removes one."""

    service: str
    annotations: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Select:
    """A Service sends to the champion or the fallback, if a pod of it is ready."""

    service: str
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class EndJob:
    """A Job of a policy ends now, its pods too; it stays to be looked at, and counted."""

    job: str
    policy: PolicyKey


Effect = CreateJob | EndJob | MoveAlias | SetState | AnnotatePods | AnnotateService | Select
