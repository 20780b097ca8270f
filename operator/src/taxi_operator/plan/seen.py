"""What was seen of a policy's world: everything that its next step follows from, with its time."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from taxi_operator.core.decisions import Traffic
from taxi_operator.core.readiness import Readiness
from taxi_operator.core.signals import Reading
from taxi_operator.memory.obligations import OpenPromotion
from taxi_store.registry.entries import AliasEntry, ModelEntry
from taxi_store.registry.runs import ModelRun, RunEntry

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run as cluster and registry have it.

    Attributes:
        now: Present time of the API server, seconds since the epoch.
        cron_job: The CronJob that its Jobs are made from, None without one.
        job: The attempt's Job, None without one.
        pods: Its pods.
        report: What it reported, None without one; read after the Job, so that what a Job that
            has ended wrote is not missed.
        unreadable: Why the report cannot be read, empty when it can.
        alias: Where the champion's alias points.
        promotion: The open promotion that the active Service remembers.
        deployment: The champion's Deployment, None without one.
        lost: Why a promotion cannot be observed: the version before is gone; empty when it is not.
        no_template: Why there is no CronJob for the Job of a look; empty when there is one.
    """

    now: float
    cron_job: Object | None = None
    job: Object | None = None
    pods: tuple[Object, ...] = ()
    report: RunEntry | None = None
    unreadable: str = ""
    alias: AliasEntry | None = None
    promotion: OpenPromotion | None = None
    deployment: Object | None = None
    lost: str = ""
    no_template: str = ""


@dataclass(frozen=True, slots=True)
class SeenRollback:
    """What a rollback that is requested follows from.

    Attributes:
        alias: Where the champion's alias points, and pointed before.
        before: The version that it pointed at before; None when it is gone.
        deployment: The champion's Deployment, None without one.
    """

    alias: AliasEntry | None
    before: ModelEntry | None
    deployment: Object | None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of the effects of the step before, where the next one depends on it.

    Attributes:
        created: Whether the Job was made, False when it was there; None when none was to be.
        lost: Why the candidate is not to be had any more, empty when it is.
    """

    created: bool | None = None
    lost: str = ""


NOTHING_DONE = Done()


@dataclass(frozen=True, slots=True)
class SeenTarget:
    """What a policy acts on, as it is now.

    Attributes:
        service: The active Service.
        selected: What it selects; None when that is neither of the two.
        champion: How ready the champion is.
        champion_missing: Its Deployment is not there.
        ready: Ready pods of each of the two.
        arrived: The Service sends to ready pods of what it is to select, and to no other pod;
            looked for while a switch is under way.
        only_watches: The policy does not claim the target, and another one does.
    """

    service: Object
    selected: Traffic | None
    champion: Readiness
    champion_missing: bool
    ready: Mapping[Traffic, int]
    arrived: bool = False
    only_watches: bool = False

    def stays_away(self, wanted: Traffic) -> bool:
        """Tell whether the Service is left at the other of the two: the wanted is not ready."""
        return self.selected not in {None, wanted} and not self.ready[wanted]


@dataclass(frozen=True, slots=True)
class NextRun:
    """What a run that is about to start needs to know.

    Attributes:
        number: A number of which no report is left from before.
        champion: Version that the champion's alias points at.
        of_model: Runs of the model that the registry knows of, those of other policies too: one
            that was deleted and made anew must not begin with an empty budget.
    """

    number: int
    champion: str | None
    of_model: tuple[ModelRun, ...] = ()


class Place(Enum):
    """Whether a run may have a Job now, beside those of other policies."""

    FREE = auto()
    TAKEN = auto()
    #: It has to be looked up, and is kept then for a while.
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that the next step of a policy follows from.

    Attributes:
        now: Present time of the API server, seconds since the epoch.
        target: What the policy acts on; None when it is not known: then nothing is decided.
        readings: The signals; None while they have not been asked for.
        prometheus_now: Present time of Prometheus, None when it did not answer.
        jobs: The policy's retrain Jobs; None when they are not known.
        has_template: The CronJob that Jobs are made from is there.
        run: What is seen of the open run; None without one, or when it is not known.
        next_run: For a decision to retrain; looked up once there is one.
        rollback: For a rollback that is requested; looked up once there is a new word.
        place: Whether one more run may have a Job; free where nobody limits them.
    """

    now: float
    target: SeenTarget | None = None
    readings: tuple[Reading, ...] | None = None
    prometheus_now: float | None = None
    jobs: tuple[Object, ...] | None = None
    has_template: bool = False
    run: SeenRun | None = None
    next_run: NextRun | None = None
    rollback: SeenRollback | None = None
    place: Place = Place.FREE
