"""Rules by which a candidate is promoted, and by which a promoted one is taken back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from gating import sequential
from gating.cases import Case, Rows
from gating.sequential import Found, blocks_of, capped, evidence, fixed_bets, scaled_bets
from taxi_domain.runs import RunResult
from taxi_train.runs.gate import Answers, GateRules, compare

#: Loss that a slice may have, and fewest rows of one that is looked at: as the gate has them.
MAX_SLICE_LOSS, MIN_SLICE_ROWS = GateRules().max_slice_loss, GateRules().min_slice_rows
#: What going back has to gain.
TOLERANCE = 0.02
#: Rows between two looks where the same look is repeated.
PAUSE = 500
MIN_ROWS = 100


@dataclass(frozen=True)
class Outcome:
    """What a rule does, and how many rows it looked at before."""

    acts: bool
    rows: int


Rule = Callable[[Rows], Outcome]


def asked(rows: Rows, gain: float, confidence: float) -> Outcome:
    """Ask the product's gate."""
    rules = GateRules(MIN_ROWS, gain, confidence)
    answers = Answers(rows.target, rows.champion, rows.candidate)
    verdict = compare(answers, rules, rows.slices)
    return Outcome(verdict.result is RunResult.BETTER, len(rows.target))


def gained(rows: Rows, gain: float) -> Outcome:
    """Go by the gain alone."""
    return Outcome(rows.gain >= gain, len(rows.target))


def fixed(rows: Rows, factor: float = 1.0) -> np.ndarray:
    """Return bets on absolute errors as shares of a large one, as section 4 of the plan has it."""
    old, new = (capped(x - rows.target, rows.scale) for x in (rows.champion, rows.candidate))
    return fixed_bets(blocks_of(old * factor - new))


def scaled(rows: Rows, factor: float = 1.0) -> np.ndarray:
    """Return bets on squared errors, which are what an RMSE is made of."""
    return scaled_bets(squares(rows, factor))


def squares(rows: Rows, factor: float = 1.0) -> np.ndarray:
    """Return the champion's squared errors, times a factor squared, less the candidate's."""
    old, new = ((x - rows.target) ** 2 for x in (rows.champion, rows.candidate))
    return blocks_of(old * factor**2 - new)


def swapped(rows: Rows) -> Rows:
    """Change the roles."""
    return Rows(rows.target, rows.candidate, rows.champion, rows.scale, rows.slices)


def tested(rows: Rows, bets: Callable[[Rows], np.ndarray], alpha: float) -> Outcome:
    """Test in sequence; what is not decided in the end is not promoted."""
    end = sequential.decided(evidence(bets(rows)), evidence(bets(swapped(rows))), alpha)
    seen = rows.first(end.rows)
    kept = {
        name: squares(seen.of(mask), 1 + MAX_SLICE_LOSS)
        for name, mask in seen.slices.items()
        if mask.sum() >= MIN_SLICE_ROWS
    }
    better = end.found is Found.BETTER and sequential.worse_slice(kept, alpha) is None
    return Outcome(better, end.rows)


#: By name: the rule, and whether it may wait for more rows than the gate has.
GATES: Mapping[str, tuple[Rule, bool]] = {
    "always": (lambda rows: Outcome(True, len(rows.target)), False),
    "never": (lambda rows: Outcome(False, len(rows.target)), False),
    "2 %, 95 %": (partial(asked, gain=0.02, confidence=0.95), False),
    "1 %, 95 %": (partial(asked, gain=0.01, confidence=0.95), False),
    "1 %, 90 %": (partial(asked, gain=0.01, confidence=0.9), False),
    "1 %, 80 %": (partial(asked, gain=0.01, confidence=0.8), False),
    "0 %, 90 %": (partial(asked, gain=0.0, confidence=0.9), False),
    "gain of 1 % alone": (partial(gained, gain=0.01), False),
    "sequential, fixed stakes": (partial(tested, bets=fixed, alpha=0.05), False),
    "sequential, scaled stakes": (partial(tested, bets=scaled, alpha=0.05), False),
    "2 %, 95 %, waits": (partial(asked, gain=0.02, confidence=0.95), True),
    "1 %, 90 %, waits": (partial(asked, gain=0.01, confidence=0.9), True),
    "sequential, fixed stakes, waits": (partial(tested, bets=fixed, alpha=0.05), True),
    "sequential, scaled stakes, waits": (partial(tested, bets=scaled, alpha=0.05), True),
    "sequential, scaled stakes, 20 %, waits": (partial(tested, bets=scaled, alpha=0.2), True),
}


def judged(case: Case) -> dict[str, Outcome]:
    """Return what each rule makes of a candidate."""
    return {
        name: rule(case.with_wait if waits else case.gate)
        for name, (rule, waits) in GATES.items()
    }  # fmt: skip


def looked(rows: Rows, most: int) -> Outcome:
    """Look once, as `taxi-train observe` does: is going back a gain?"""
    rows = rows.first(most)
    without_slices = Rows(rows.target, rows.champion, rows.candidate, rows.scale, {})
    return asked(without_slices, TOLERANCE, 0.95)


def repeated(rows: Rows) -> Outcome:
    """Look again and again."""
    for most in range(PAUSE, len(rows.target) + 1, PAUSE):
        if looked(rows, most).acts:
            return Outcome(True, most)
    return Outcome(False, len(rows.target))


def watched(rows: Rows, bets: Callable[[Rows, float], np.ndarray]) -> Outcome:
    """Test in sequence that going back gains more than the tolerance."""
    line = evidence(bets(rows, 1 - TOLERANCE))
    end = sequential.decided(line, np.full_like(line, -np.inf), 0.05)
    return Outcome(end.found is Found.BETTER, end.rows)


#: Rules of an observation; they get the new champion as the champion, and what was before.
LOOKS: Mapping[str, Rule] = {
    **{f"one look at {most} rows": partial(looked, most=most) for most in (500, 1000, 2000, 4000)},
    f"a look every {PAUSE} rows": repeated,
    "sequential, fixed stakes": partial(watched, bets=fixed),
    "sequential, scaled stakes": partial(watched, bets=scaled),
}


def observed(case: Case) -> dict[str, Outcome]:
    """Return what becomes of a candidate that was promoted, on the rows after the gate's."""
    after = case.rows(case.counts[0], case.counts[0] + case.counts[1])
    return {name: rule(swapped(after)) for name, rule in LOOKS.items()}
