"""Two ranges of one query asked for as one, where both can be cut out of it. Pure."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Samples = Sequence[tuple[float, float]]

#: Prometheus' times are whole milliseconds.
_MILLISECONDS: Final = 1000
#: A joint range may have so many times the samples that the two have: a request costs more than
#: some samples, and less than many.
_MOST_TIMES: Final = 2
#: Prometheus refuses a range with more than 11,000 samples; bodies are bounded too.
_MAX_SAMPLES: Final = 5_000
#: What such a query answers for one time depends on the range that it is asked for.
_OF_THE_RANGE: Final = re.compile(r"\b(?:start|end|range|step)\s*\(")


@dataclass(frozen=True, slots=True)
class Range:
    """A range query: begin and end (seconds since the epoch), and the step (seconds)."""

    start: float
    end: float
    step: float

    @property
    def count(self) -> int:
        """Samples of a range without holes."""
        start, end, step = self._milliseconds
        return (end - start) // step + 1

    @property
    def _milliseconds(self) -> tuple[int, int, int]:
        # As they are written into a request.
        start, end, step = (
            round(float(f"{one:.3f}") * _MILLISECONDS)
            for one in (self.start, self.end, self.step)
        )  # fmt: skip
        return start, end, max(step, 1)

    def joint(self, other: "Range", promql: str) -> "Range | None":
        """Return the range that has the times of both, None when one had better ask for each.

        Args:
            other: Another range of the same query.
            promql: The query.
        """
        if self == other:
            return self
        (start, end, step), (other_start, other_end, other_step) = (
            self._milliseconds, other._milliseconds,
        )  # fmt: skip
        if end != other_end or _OF_THE_RANGE.search(promql):
            return None
        first = min(start, other_start)
        # Of a range with one sample the step says nothing.
        steps = [0 if one.count == 1 else each for one, each in ((self, step), (other, other_step))]
        common = math.gcd(*steps, start - first, other_start - first)
        if common == 0:
            return self
        found = Range(
            first / _MILLISECONDS, end / _MILLISECONDS, common / _MILLISECONDS
        )  # fmt: skip
        if found.count > min(_MOST_TIMES * (self.count + other.count), _MAX_SAMPLES):
            return None
        return found

    def part(self, samples: Samples, of: "Range") -> tuple[tuple[float, float], ...]:
        """Return the samples that this range would have had, out of those of a joint one.

        Servers in front of Prometheus may move all times of a range by less than a step.

        Args:
            samples: What was answered.
            of: The joint range that was asked for.
        """
        if of == self:
            return tuple(samples)
        start, _, step = self._milliseconds
        _, _, common = of._milliseconds
        every = 1 if self.count == 1 else step // common
        found = []
        for at, value in samples:
            # Rounded up.
            place = -((start - round(_MILLISECONDS * at)) // common)
            if 0 <= place < self.count * every and place % every == 0:
                found.append((at, value))
        return tuple(found)
