"""What the project's own verdict is held to."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from verdicts.scenarios import Scenario

Measured = Mapping[str, dict[str, Any]]

#: Episodes in 100,000 quiet rows, without those behind known events.
MAX_EPISODES: Final = 1.0
#: Requests to the alarm: the median try of a shift into rides, or the changed span.
MAX_REQUESTS: Final = {
    "collapse": 5000, "target-x1.1": 3000, "target-x1.25": 1500, "number-x1.25": 1500,
}  # fmt: skip
#: Pairs whose shifts are held to these: February 2021 has snow in most tries, late January has not.
GOAL_PAIRS: Final = ("quiet-2021-02", "quiet-2021-01-late")


@dataclass(frozen=True)
class Goal:
    """A goal, what was measured, and whether it is met."""

    name: str
    measured: str
    met: bool


def goals(measured: Measured, scenarios: Mapping[str, Scenario]) -> list[Goal]:
    """Return the goals whose scenarios were played."""
    quiet = [measured[one.name] for one in scenarios.values() if one.is_quiet]
    found = []
    if quiet:
        rate = episodes_per_100k(quiet)
        found.append(
            Goal(f"quiet rows: <= {MAX_EPISODES:g} episode in 100,000", f"{rate:.1f}",
                 rate <= MAX_EPISODES)
        )  # fmt: skip
    if "collapse" in measured:
        episodes = measured["collapse"]["episodes"]
        first = episodes[0]["requests"] if episodes else None
        found.append(_within("collapse", first, "the span"))
    for pair, name in itertools.product(GOAL_PAIRS, MAX_REQUESTS):
        if (one := measured.get(f"{pair}/{name}")) is not None:
            tries = f"{pair}, {one['found']} of {one['tries']} tries"
            found.append(_within(name, one["median"], tries))
    shifted = {name: measured[name] for name, one in scenarios.items() if one.shift is not None}
    if shifted:
        missed = [name for name, one in shifted.items() if _missed(one)]
        found.append(
            Goal("every shift found in every try that began without an alarm",
                 f"{len(missed)} of {len(shifted)} missed: {', '.join(missed)}", not missed)
        )  # fmt: skip
    return found


def episodes_per_100k(quiet: list[dict[str, Any]]) -> float:
    """Return the episodes without a known event in 100,000 requests."""
    count = sum(not episode["event"] for one in quiet for episode in one["episodes"])
    return float(count / sum(one["requests"] for one in quiet) * 1e5)


def _missed(measured: Mapping[str, Any]) -> bool:
    """Tell whether a try that said nothing before did not find the shift."""
    others = measured["already"] + measured["chance"]
    return bool(measured["found"] + others < measured["tries"])


def _within(name: str, requests: int | None, of: str) -> Goal:
    limit = MAX_REQUESTS[name]
    return Goal(
        f"{name}: <= {limit:,} requests (median; {of})",
        "never" if requests is None else f"{requests:,}",
        requests is not None and requests <= limit,
    )  # fmt: skip
