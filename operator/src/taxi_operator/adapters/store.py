"""Objects of one kind as a watch tells of them, and as our own calls were answered. Pure.

Versions of one kind of objects only grow, whichever object they are of. So what is not newer than
the watch has come is known already, also that an object is gone.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from taxi_operator.adapters.kinds import Document, Kind, matches

#: More objects of a kind are not kept: then they are asked for each time.
MAX_OBJECTS: Final = 5_000


class ExpiredError(Exception):
    """A watch cannot go on from where it is: all objects have to be listed anew."""


class Store:
    """Objects by name; what it returns is nobody's to change.

    Args:
        kind: What they are.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        #: How far the watch has come.
        self.version = 0
        self._objects: dict[str, Document] = {}
        self._groups: dict[str, dict[str, Document]] = {}
        #: Those that our own calls brought since a list was begun.
        self._brought: set[str] = set()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._objects)

    def find(self, name: str) -> Document | None:
        """Return an object, None when there is none."""
        return self._objects.get(name)

    def all(self) -> list[Document]:
        """Return all objects."""
        return list(self._objects.values())

    def group(self, value: str) -> list[Document]:
        """Return the objects whose label of the kind's group has a value."""
        return list(self._groups.get(value, {}).values())

    def begin_list(self) -> None:
        """All objects are about to be listed."""
        self._brought.clear()

    def replace(self, objects: Iterable[Document], version: int) -> None:
        """Take a whole list; what our own calls brought meanwhile may be newer, and stays then.

        Args:
            objects: As the kind keeps them.
            version: Of the list.
        """
        kept = [
            self._objects[name]
            for name in self._brought
            if name in self._objects and version_of(self._objects[name]) > version
        ]
        self._objects, self._groups, self.version = {}, {}, version
        for one in (*objects, *kept):
            self._put(one)

    def follow(self, event: str, document: Mapping[str, Any]) -> None:
        """Take an event of the watch.

        Raises:
            ExpiredError: it is older than the one before, so it is of another history.
        """
        version = version_of(document)
        # A bookmark may tell where the watch is already.
        if version < self.version or (version == self.version and event != "BOOKMARK"):
            raise ExpiredError
        self.version = version
        if event == "DELETED":
            self.remove(document)
        elif event != "BOOKMARK" and self._is_newer(document):
            self._put(self.kind.kept(document))

    def bring(self, document: Mapping[str, Any]) -> None:
        """Take an object that a call of our own was answered with, unless it is known already."""
        if not document["metadata"].get("resourceVersion", "").isdigit():
            return  # then its kind is not listed either
        if version_of(document) <= self.version or not self._is_newer(document):
            return
        if not matches(document["metadata"].get("labels"), self.kind.labels):
            self.remove(document)
            return
        self._put(self.kind.kept(document))
        self._brought.add(document["metadata"]["name"])

    def remove(self, document: Mapping[str, Any]) -> None:
        """Forget an object that was deleted, or is not of the watched ones any more."""
        name = document["metadata"]["name"]
        found = self._objects.get(name)
        if found is not None and version_of(found) <= version_of(document):
            self._drop(name)

    def clear(self) -> None:
        """Forget all."""
        self._objects, self._groups, self.version = {}, {}, 0

    def _is_newer(self, document: Mapping[str, Any]) -> bool:
        found = self._objects.get(document["metadata"]["name"])
        return found is None or version_of(found) < version_of(document)

    def _put(self, document: Document) -> None:
        name = document["metadata"]["name"]
        self._drop(name)
        self._objects[name] = document
        if self.kind.group:
            self._groups.setdefault(self._group_of(document), {})[name] = document

    def _drop(self, name: str) -> None:
        found = self._objects.pop(name, None)
        if found is None or not self.kind.group:
            return
        value = self._group_of(found)
        group = self._groups[value]
        del group[name]
        if not group:
            del self._groups[value]

    def _group_of(self, document: Document) -> str:
        return str((document["metadata"].get("labels") or {}).get(self.kind.group, ""))


def version_of(document: Mapping[str, Any]) -> int:
    """Return the version of an object, or of a list.

    Raises:
        ValueError: it is no number; no API server that is in use gives others.
    """
    return int(document["metadata"]["resourceVersion"])
