"""What was seen of a run: everything that its next step follows from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taxi_operator.memory.obligations import OpenPromotion
from taxi_store.registry.entries import AliasEntry
from taxi_store.registry.runs import RunEntry

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
