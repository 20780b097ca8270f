"""What a person does by hand during a story: commands that are shown, and then run."""

import json
import re
import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.markup import escape

from taxi_domain.errors import TaxiError
from taxi_domain.kube import SHORT_NAME, TRAIN
from taxi_stories import parts
from taxi_stories.jobs import job_of, wait_for_job
from taxi_stories.release import Release

#: What `taxi-models` prints after it moved an alias.
_PODS_FOLLOW: Final = re.compile(r"kubectl patch deployment NAME -p '(\{.*\})'")


class HandsError(TaxiError):
    """A command did not print what has to be done next."""


@dataclass(frozen=True, slots=True)
class Hands:
    """A person at a terminal.

    Attributes:
        release: Where.
        policy: Name of the story's policy.
        show: Prints a line.
    """

    release: Release
    policy: str
    show: Callable[[str], None]

    def patch(self, spec: object) -> None:
        """Change fields of the policy's spec.

        Raises:
            CommandError: the API server refuses it.
        """
        patch = json.dumps({"spec": spec})
        self._kubectl("patch", SHORT_NAME, self.policy, "--type", "merge", "-p", patch)

    def put_aside(self, policy: str) -> None:
        """Remove another policy.

        Raises:
            CommandError: the API server does not answer.
        """
        self._kubectl("delete", SHORT_NAME, policy, "--timeout=60s")

    def apply(self, file: Path) -> None:
        """Apply the policy.

        Raises:
            CommandError: the API server refuses it.
        """
        kubectl = self.release.kubectl
        self._type("kubectl", "-n", kubectl.namespace, "apply", "-f", f"k8s/examples/{file.name}")
        self.show(kubectl("apply", "-f", str(file)).strip())

    def train(self, script: str) -> str:
        """Run a shell script with the train image's tools, in a Job (docs/models.md).

        Returns:
            Its log.

        Raises:
            JobError: it failed.
            TaxiError: the cluster does not answer.
        """
        lines = script.strip().splitlines()
        for number, line in enumerate(lines):
            self.show(f"[bold]{'  ' if number else '$ '}{escape(line)}[/]")
        kubectl = self.release.kubectl
        cron_job = parts.cron_job(kubectl, self.release.name, TRAIN)
        name = f"by-hand-{uuid.uuid4().hex[:8]}"
        kubectl.apply(job_of(cron_job, name, [], command=["sh", "-euc", script]))
        wait_for_job(kubectl, name)
        printed = kubectl("logs", f"job/{name}")
        for line in printed.strip().splitlines():
            self.show(escape(line))
        return printed

    def roll(self, deployment: str, printed: str) -> None:
        """Let the pods follow an alias, as the tool that moved it says.

        Args:
            deployment: Whose pods.
            printed: What the tool printed.

        Raises:
            HandsError: it did not say how.
            CommandError: the API server refuses it.
        """
        found = _PODS_FOLLOW.search(printed)
        if found is None:
            raise HandsError(f"taxi-models: did not say how the pods follow:\n{printed}")
        self._kubectl("patch", "deployment", deployment, "-p", found[1])

    def _kubectl(self, *words: str) -> None:
        kubectl = self.release.kubectl
        self._type("kubectl", "-n", kubectl.namespace, *words)
        self.show(escape(kubectl(*words, timeout=90).strip()))

    def _type(self, *words: str) -> None:
        self.show(f"[bold]$ {escape(shlex.join(words))}[/]")
