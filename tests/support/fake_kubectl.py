"""A kubectl over a list of objects, for tests of what is asked of a cluster."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taxi_stories.kubectl import CommandError, Kubectl


@dataclass(frozen=True, slots=True)
class FakeKubectl(Kubectl):
    """Answers `get` from objects of one namespace, by kind and labels, or by name.

    Attributes:
        objects: What the cluster has.
        answers: What other commands print, by their first word.
        asked: Commands but for `get`.
        applied: What was applied on the server's side; Jobs have succeeded at once.
    """

    objects: Sequence[dict[str, Any]] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    applied: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, *words: str, timeout: float = 60, stdin: str | None = None) -> str:
        """Take a command down and print what was said beforehand."""
        del timeout
        self.asked.append(words)
        if stdin is not None:
            self.applied.append({**json.loads(stdin), "status": {"succeeded": 1}})
        return self.answers.get(words[0], "")

    def get(self, *words: str, timeout: float = 60) -> Any:
        """Return the objects of a kind that have the labels, or the one that was applied."""
        del timeout
        if len(words) == 2:
            kind, name = words
            for one in self.applied:
                if (one["kind"].lower(), one["metadata"]["name"]) == (kind, name):
                    return one
            raise CommandError(["kubectl", "get", *words], "exit code 1", "not found")
        kind, flag, selector = words
        assert flag == "-l"
        wanted = dict(pair.split("=", 1) for pair in selector.split(","))
        found = [
            one
            for one in self.objects
            if one["kind"].lower() == kind
            and wanted.items() <= one["metadata"].get("labels", {}).items()
        ]
        return {"items": found}

    def secret(self, name: str, key: str) -> str:
        """Return one decoded value of a Secret."""
        for one in self.objects:
            if one["kind"] == "Secret" and one["metadata"]["name"] == name and key in one["data"]:
                return base64.b64decode(one["data"][key]).decode()
        raise CommandError(["kubectl", "get", "secret", name], "exit code 1", "not found")
