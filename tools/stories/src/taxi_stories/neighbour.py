"""A release beside that of a story: what it was when the story began, it still is at the end."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from taxi_domain.errors import NotAvailableError
from taxi_domain.kube import PLURAL
from taxi_stories.forwards import Forward, patient_get
from taxi_stories.kubectl import Kubectl
from taxi_stories.release import Release
from taxi_stories.scenario import Claim, Neighbour
from taxi_stories.sender import Rate, Sender

_POLICIES: Final = Path(__file__).parents[4] / "k8s" / "examples"
_RATE: Final = Rate(rows_per_second=400, batch_size=100, label_delay_seconds=1)
#: Larger than what is sent: a row of somebody else would be seen.
_WINDOW_ROWS: Final = 10_000
_MEASURED_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 3.0
_READ_SECONDS: Final = 15.0


@dataclass
class Neighbourhood:
    """Watches over the release beside a story's."""

    neighbour: Neighbour
    kubectl: Kubectl
    helm: str = "helm"
    before: Mapping[str, Any] = field(default_factory=dict)

    @property
    def release(self) -> Release:
        """The release beside."""
        return Release(self.kubectl, self.neighbour.release, self.helm)

    def apply(self, values: Mapping[str, object]) -> None:
        """Install the release, a small one.

        Raises:
            ReleaseError: helm or the API server refuses it.
        """
        own = {
            **self.neighbour.example.values(self.neighbour.first),
            "predictor": {"replicas": 1},
            "monitor": {"windowRows": _WINDOW_ROWS, "errorWindowRows": _WINDOW_ROWS},
            "metrics": {"serviceMonitor": {"interval": "5s"}},
        }
        self.release.apply({**values, **own})

    def settle(self, say: Callable[[str], None]) -> None:
        """Let the release answer rows under a policy, and remember its state.

        Raises:
            TaxiError: it does not come up, or does not measure what it was sent.
        """
        begin, example = time.monotonic(), self.neighbour.example
        self.release.wait(say)
        self.kubectl.apply(self._policy())
        rows = example.rows(self.neighbour.stream)[: self.neighbour.rows]
        with self.release.predictor() as predictor, self.release.monitor() as monitor:
            addresses = self.release.addresses(predictor, monitor)
            Sender(rows, addresses, _RATE, schema=example.schema).run()
        counted = example.schema.target.is_evaluated
        labelled = sum(row.label is not None and counted(row.label) for row in rows)
        self.before = self._measured(len(rows), labelled)
        say(
            f"release {self.neighbour.release} ({example.model}) serves beside it, after "
            f"{time.monotonic() - begin:.0f} s: {self.before}"
        )

    def claims(self) -> list[Claim]:
        """Compare the release with what it was."""
        after, name = self.state(), self.neighbour.release
        return [
            (f"release {name} has the champion and the rows that it had", after == self.before),
            (f"the policy of {name} did nothing", not self._decisions()),
        ]

    def state(self) -> Mapping[str, Any]:
        """Return which version serves, and how many rows and labels were counted.

        Raises:
            NotAvailableError: predictor or monitor does not answer.
        """
        with self.release.predictor() as predictor, self.release.monitor() as monitor:
            serving = _get(predictor, "/v1/model")
            drift, performance = _get(monitor, "/v1/drift"), _get(monitor, "/v1/performance")
        return {
            "serving": serving["model_version"],
            "rows": _champion(drift).get("window", {}).get("rows", 0),
            "labelled": _champion(performance).get("labelled_rows", 0),
        }

    def _measured(self, rows: int, labelled: int) -> Mapping[str, Any]:
        """Wait until all rows that were sent are in the window, with all labels that count."""
        deadline = time.monotonic() + _MEASURED_SECONDS
        while True:
            now = self.state()
            if (now["rows"], now["labelled"]) == (rows, labelled):
                return now
            if time.monotonic() > deadline:
                raise NotAvailableError(
                    f"release {self.neighbour.release}: {now} after {rows} rows, {labelled} of "
                    "them with a label that counts; see the log of its monitor"
                )
            time.sleep(_LOOK_SECONDS)

    def _policy(self) -> dict[str, Any]:
        """Return the quiet story's policy for this namespace and release."""
        text = (_POLICIES / "quiet.yaml").read_text()
        manifest: dict[str, Any] = yaml.safe_load(
            text.replace('"taxi-quiet"', json.dumps(self.kubectl.namespace))
        )
        manifest["metadata"]["name"] = self.neighbour.release
        return manifest

    def _decisions(self) -> list[Any]:
        status = self.kubectl.get(PLURAL, self.neighbour.release).get("status") or {}
        return [status[part] for part in ("decision", "run") if status.get(part)]


def _champion(form: Mapping[str, Any]) -> Mapping[str, Any]:
    versions = [one for one in form["versions"] if one["model_role"] == "champion"]
    return versions[0] if versions else {}


def _get(forward: Forward, path: str) -> dict[str, Any]:
    try:
        answer = patient_get(forward, path, timeout_seconds=_READ_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        raise NotAvailableError(f"{path}: {error!r}; is the Service up?") from error
    found: dict[str, Any] = answer.json()
    return found
