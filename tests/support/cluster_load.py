"""Load from inside a cluster: what another pod notices of the Service, and nothing in between."""

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from support.waiting import wait_for
from taxi_stories.client import Load, client_pod
from taxi_stories.kubectl import CommandError, Kubectl
from taxi_stories.progress import Progress
from taxi_stories.release import Release
from taxi_stories.rows import TAXI_SCHEMA, LabelledBody, read_rides
from taxi_stories.sender import Rate, Sender
from taxi_stories.story import SAMPLES

_POD = "load"
_RIDE = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}


@dataclass
class Answers:
    """What the load saw, in the order of the answers; filled when it has ended."""

    slowest_seconds: float = 0.0
    failed: int = 0
    #: The first of them.
    failures: list[str] = field(default_factory=list)
    ride_ids: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)


@contextmanager
def load_in_cluster(release: Release, rate: float) -> Iterator[Answers]:
    """Send rides to the active Service from a pod, each with an id of its own.

    Args:
        release: Whose Service.
        rate: Rides a second.
    """
    answers = Answers()
    kubectl = release.kubectl
    kubectl("delete", "pod", _POD, "--ignore-not-found", "--grace-period=0", "--force")
    kubectl.apply(client_pod(release, _POD, Load(rate, _RIDE, TAXI_SCHEMA.id)))
    try:
        kubectl("wait", "pod", _POD, "--for=condition=Ready", "--timeout=180s", timeout=190)
        wait_for("load", lambda: "sending" in kubectl("logs", _POD, "--tail=1"), seconds=120)
        yield answers
        wait_for("the load's end", partial(_has_ended, kubectl), seconds=180)
        _, summary, *answered = kubectl("logs", _POD).split("\n")[:-1]
        for line in answered:
            ride_id, version = line.split()
            answers.ride_ids.append(ride_id)
            answers.versions.append(version)
        found = json.loads(summary)
        answers.failed, answers.failures = found["failed"], found["failures"]
        answers.slowest_seconds = found["slowest"]
    finally:
        kubectl("delete", "pod", _POD, "--ignore-not-found", "--grace-period=0", "--force")


def _has_ended(kubectl: Kubectl) -> bool:
    """Tell whether the load has ended; tell it to end where it has not."""
    if kubectl.get("pod", _POD)["status"]["phase"] == "Succeeded":
        return True
    # Cut off when the container ends first; whether it did is seen at the next look.
    with suppress(CommandError):
        kubectl("exec", _POD, "--", "python", "-c", "import os; os.kill(1, 15)")
    return False


def send_rides(release: Release, rides: Sequence[LabelledBody]) -> None:
    """Send rides and their labels in batches, from here."""
    rate = Rate(rows_per_second=400, batch_size=100, label_delay_seconds=1)
    with release.predictor() as predictor, release.monitor() as monitor:
        sender = Sender(rides, release.addresses(predictor, monitor), rate)
        done = sender.run()
    assert sender.label_refusals == {}
    assert done == Progress(sent=len(rides), refused=0, labelled=len(rides)), sender.refusals


def some_rides(count: int) -> list[LabelledBody]:
    """Return rides that nobody has sent yet."""
    prefix = f"f{uuid.uuid4().hex[:8]}-"
    return read_rides(SAMPLES / "green-2021-02-head.parquet", prefix=prefix)[:count]
