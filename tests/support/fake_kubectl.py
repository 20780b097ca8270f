"""A kubectl over a list of objects, for tests of what is asked of a cluster."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from taxi_stories.kubectl import CommandError, Kubectl


@dataclass(frozen=True, slots=True)
class FakeKubectl(Kubectl):
    """Answers `get` from objects of one namespace, by kind and labels.

    Attributes:
        objects: What the cluster has.
    """

    objects: Sequence[dict[str, Any]] = ()

    def get(self, *words: str, timeout: float = 60) -> Any:
        """Return the objects of a kind that have the labels."""
        del timeout
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
