"""Merging parts as they come, always in the same order: as a tree over the partitions."""

from collections.abc import Callable

from taxi_report.collect.partition import Part
from taxi_report.profile.layout import Layout
from taxi_report.profile.version import merge as merge_profiles


class MergeTree:
    """Takes parts in any order; what is merged with what depends on their places alone.

    So the result is the same however many workers there are, and at most one part for each level
    waits where parts come in order.

    Args:
        count: Partitions.
        layout_of: Returns the layout of a version, or why there is none any more: its rows are
            counted only then.
    """

    def __init__(self, count: int, layout_of: Callable[[str], Layout | str]) -> None:
        self._count = count
        self._layout_of = layout_of
        self._waiting: dict[tuple[int, int], Part] = {}
        self._missing = set(range(count))

    def add(self, place: int, part: Part) -> None:
        """Take the part of a partition; a partition that failed has an empty one.

        Raises:
            ValueError: it was there already; nothing may be counted twice.
        """
        if place not in self._missing:
            raise ValueError(f"part {place} came twice")
        self._missing.remove(place)
        level, key = 0, place
        while True:
            # The last place of a level may have no neighbour.
            width = self._width(level)
            if width == 1:
                break
            neighbour = key ^ 1
            if neighbour < width:
                other = self._waiting.pop((level, neighbour), None)
                if other is None:
                    break
                first, second = (part, other) if key < neighbour else (other, part)
                part = self._merged(first, second)
            level, key = level + 1, key // 2
        self._waiting[level, key] = part

    def result(self) -> Part:
        """Return all parts as one.

        Raises:
            ValueError: parts are missing.
        """
        if self._missing:
            raise ValueError(f"{len(self._missing)} parts are missing")
        return next(iter(self._waiting.values()), Part())

    def _width(self, level: int) -> int:
        width = self._count
        for _ in range(level):
            width = (width + 1) // 2
        return width

    def _merged(self, first: Part, second: Part) -> Part:
        profiles = dict(first.profiles)
        unprofiled = dict(first.unprofiled)
        for version, found in second.unprofiled.items():
            unprofiled[version] = added(unprofiled.get(version), *found)
        for version, one in second.profiles.items():
            known = profiles.pop(version, None)
            layout = None if known is None else self._layout_of(version)
            if known is None:
                profiles[version] = one
            elif isinstance(layout, Layout):
                profiles[version] = merge_profiles(known, one, layout)
            else:
                rows = known.rows + one.rows
                unprofiled[version] = added(unprofiled.get(version), rows, str(layout))
        unreadable = dict(first.unreadable)
        for collection, count in second.unreadable.items():
            unreadable[collection] = unreadable.get(collection, 0) + count
        return Part(
            first.rows + second.rows,
            dict(sorted(profiles.items())),
            dict(sorted(unprofiled.items())),
            dict(sorted(unreadable.items())),
        )


def added(known: tuple[int, str] | None, rows: int, reason: str) -> tuple[int, str]:
    """Return the unprofiled rows of a version with more of them, and the newest reason.

    >>> added((3, "its archive is gone"), 2, "the registry has none")
    (5, 'the registry has none')
    """
    return (known[0] if known else 0) + rows, reason
