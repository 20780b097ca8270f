"""Jobs made of a release's CronJobs, as `kubectl create job --from` makes them."""

import copy
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from taxi_domain.errors import TaxiError
from taxi_stories.kubectl import CommandError, Kubectl

_OUTPUT: Final = "--output="
_SECONDS: Final = 600.0
_POLL_SECONDS: Final = 2.0


class JobError(TaxiError):
    """A Job failed or did not end in time; the text has the end of its log."""


def job_of(
    cron_job: Mapping[str, Any],
    name: str,
    arguments: Sequence[str],
    env: Mapping[str, str] = MappingProxyType({}),
    *,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the Job that `kubectl create job --from` would make, but for what is given here.

    Args:
        cron_job: Its template.
        name: Name of the Job.
        arguments: Command line of its container; the template's `--output=` is added.
        env: Environment variables that get another value.
        command: What is run in the place of the image's own program.
    """
    template = cron_job["spec"]["jobTemplate"]
    spec = copy.deepcopy(template["spec"])
    (container,) = spec["template"]["spec"]["containers"]
    outputs = [one for one in container.get("args") or [] if one.startswith(_OUTPUT)]
    container["args"] = [*arguments, *outputs]
    if command:
        container["command"] = list(command)
    kept = [one for one in container["env"] if one["name"] not in env]
    container["env"] = [*kept, *({"name": key, "value": value} for key, value in env.items())]
    labels = (template.get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": spec,
    }  # fmt: skip


def wait_for_job(kubectl: Kubectl, name: str, seconds: float = _SECONDS) -> None:
    """Wait until a Job is done.

    Raises:
        JobError: it failed, or did not end in time; with the end of its log.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            status = kubectl.get("job", name).get("status") or {}
        except CommandError:  # a busy API server does not answer every call
            status = {}
        if status.get("succeeded"):
            return
        failed = [one for one in status.get("conditions") or [] if one["type"] == "Failed"]
        late = time.monotonic() > deadline
        if failed or late:
            reason = failed[0].get("message") if failed else f"no end after {seconds:.0f} s"
            raise JobError(f"Job {name}: {reason}\n{_logs(kubectl, name)}")
        time.sleep(_POLL_SECONDS)


def _logs(kubectl: Kubectl, name: str) -> str:
    try:
        return kubectl("logs", f"job/{name}", "--tail=12")
    except CommandError as error:
        return str(error)
