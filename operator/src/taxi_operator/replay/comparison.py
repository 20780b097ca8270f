"""Two policies on one history, by the same measures. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from taxi_operator.core.decisions import Traffic
from taxi_operator.core.long_series import LongSeries
from taxi_operator.replay.fold import Fold, breaches
from taxi_operator.replay.grid import Looks, at_looks
from taxi_operator.replay.history import Histories
from taxi_operator.replay.story import Story
from taxi_operator.replay.world import Assumed
from taxi_operator.spec.policy import Policy
from taxi_operator.spec.signals import Signal

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the error of answers is measured by.

    Attributes:
        champion: Query of the champion's error, empty without one.
        fallback: Query of the fallback's.
        lookback: Longest age of a sample, seconds.
    """

    champion: str = ""
    fallback: str = ""
    lookback: float = 300.0


@dataclass(slots=True)
class Row:
    """What a policy comes to.

    Attributes:
        story: Its replay.
        error_sum: Sum of the realised error over the looks that have one, in its unit.
        error_looks: How many looks these are.
    """

    story: Story
    error_sum: float = 0.0
    error_looks: int = 0

    def document(self) -> Document:
        """Return the figures, None where there is none."""
        story = self.story
        mean = self.error_sum / self.error_looks if self.error_looks else None
        return {
            "runs": story.runs,
            "promotions": story.promotions,
            "moves": story.moves,
            "harmedSeconds": round(story.harmed_seconds),
            "fallbackSeconds": round(story.fallback_seconds),
            "realisedError": None if mean is None else float(f"{mean:.6g}"),
            "looksWithError": self.error_looks,
            "looks": story.looks,
        }


def compared(  # noqa: PLR0913, PLR0917 - what both have in common
    policies: Sequence[Policy],
    signals: Sequence[Signal],
    looks: Looks,
    histories: Histories,
    assumed: Assumed,
    answer: Answer,
) -> list[Row]:
    """Replay policies on the same history.

    Args:
        policies: The policies.
        signals: Those that say when answers are harmful: of all of them.
        looks: When each is looked at.
        histories: What was measured.
        assumed: What history does not tell.
        answer: What the error of answers is measured by.
    """
    errors = {
        Traffic.CHAMPION: _history(answer.champion, answer, looks, histories),
        Traffic.FALLBACK: _history(answer.fallback, answer, looks, histories),
    }
    rows = [Row(Story(looks.every / 1000)) for _ in policies]
    folds = [iter(Fold(one, looks, histories, assumed)) for one in policies]
    for breached in breaches(signals, looks, histories):
        for row, fold in zip(rows, folds, strict=True):
            look = next(fold)
            row.story.take(look, breached)
            history = errors[look.traffic]
            error = history.value_at(look.now) if history else None
            if error is not None and math.isfinite(error):
                row.error_sum += error
                row.error_looks += 1
    return rows


def _history(promql: str, answer: Answer, looks: Looks, histories: Histories) -> LongSeries | None:
    return histories[at_looks(promql, answer.lookback, looks)] if promql else None
