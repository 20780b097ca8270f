"""The fold of the operator's plan over a history: what a policy would have done, look by look.

Every look sees what the operator would have been answered at that time, and takes the steps that
its reconciler takes, of the same parts in the same order. Nothing is decided here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from taxi_domain.errors import TaxiError
from taxi_operator.core.decisions import Decision, Traffic
from taxi_operator.core.long_series import Cursor, Judged, LongSeries, Window
from taxi_operator.core.series import step_of
from taxi_operator.core.signals import Observed, Reading, lookback_of, read
from taxi_operator.memory.run import RunState
from taxi_operator.memory.status import Status
from taxi_operator.plan.decision import next_number
from taxi_operator.plan.plan import Note, Plan
from taxi_operator.plan.policy import PARTS, Part, decide, remembered, rescue, run
from taxi_operator.plan.seen import NOTHING_DONE, Done, Seen
from taxi_operator.replay.grid import Grid, Looks, at_looks, spacing_of
from taxi_operator.replay.history import Histories
from taxi_operator.replay.world import KEY, Assumed, World
from taxi_operator.spec.policy import Mode, Policy
from taxi_operator.spec.signals import Condition, Signal

#: As many steps of a part as a reconcile takes at most.
_STEPS_A_LOOK: Final = 4


@dataclass(frozen=True, slots=True)
class Look:
    """What came of one look.

    Attributes:
        now: Its time, seconds since the epoch.
        readings: The signals.
        traffic: Who is to answer from then on.
        decided: What was decided, with the signals behind it; at most one.
        notes: What people would have been told.
        holds: Why nothing was done although something could have been.
    """

    now: float
    readings: tuple[Reading, ...]
    traffic: Traffic
    decided: Decision | None = None
    notes: tuple[Note, ...] = ()
    holds: tuple[str, ...] = ()


class _Observer:
    """What Prometheus would have answered for one signal, at times that only grow."""

    def __init__(self, signal: Signal, looks: Looks, histories: Histories) -> None:
        self.signal = signal
        self._looks = looks
        self._enter = _Windows(signal, signal.enter, looks, histories)
        self._exit = _Windows(signal, signal.exit, looks, histories)
        self._age = _instants(signal, signal.freshness_promql, looks, histories)
        self._samples = _instants(signal, signal.min_samples_promql, looks, histories)

    def observed(self, look: int, since: float) -> Observed:
        """Return what there was at a look (milliseconds); nothing older than `since` counts."""
        now = look / 1000
        if now < since:
            return Observed(settling=True)
        return Observed(
            enter=self._enter.at(look, since),
            exit=self._exit.at(look, since),
            age_seconds=self._age.value_at(now) if self._age else None,
            samples=self._samples.value_at(now) if self._samples else None,
        )


class _Windows:
    """The ranges of one condition."""

    def __init__(
        self, signal: Signal, condition: Condition, looks: Looks, histories: Histories
    ) -> None:
        spacing = spacing_of(condition, looks.every)
        self._length, self._step = round(condition.for_seconds * 1000), spacing.step
        step = step_of(condition.for_seconds) if spacing.is_exact else spacing.step / 1000
        phases = spacing.step // math.gcd(spacing.step, looks.every)
        self._cursors: dict[int, Cursor] = {}
        for look in range(looks.begin, looks.begin + phases * looks.every, looks.every):
            phase = (look - self._length) % spacing.step
            grid = Grid(signal.promql, lookback_of(signal), spacing.step, phase)
            if grid in histories:
                judged = Judged(histories[grid], condition)
                self._cursors[phase] = Cursor(judged, condition.for_seconds, step)

    def at(self, look: int, since: float) -> Window:
        return self._cursors[(look - self._length) % self._step].window(look / 1000, since)


def _instants(signal: Signal, promql: str, looks: Looks, histories: Histories) -> LongSeries | None:
    """Return the answers of an instant query at each look, None when none is asked."""
    return histories[at_looks(promql, lookback_of(signal), looks)] if promql else None


def without_hands(policy: Policy) -> Policy:
    """Return a policy as it would be in force, and left alone.

    What is asked for by hand is of the present time; approval is taken for given at once.
    """
    gate = replace(policy.gate, asks_for_approval=False)
    requests = dict.fromkeys(policy.requests, "")
    return replace(policy, mode=Mode.ENFORCE, force=None, requests=requests, gate=gate)


class Fold:
    """The life of a policy over a history.

    Args:
        policy: Its spec; whatever its mode is, it is replayed as if it was in force, without
            what is asked for by hand.
        looks: When it is looked at.
        histories: What was measured.
        assumed: What history does not tell.
        asks_always: Ask the plan at each look, also where its answer is known.
    """

    def __init__(
        self,
        policy: Policy,
        looks: Looks,
        histories: Histories,
        assumed: Assumed,
        *,
        asks_always: bool = False,
    ) -> None:
        self._policy = without_hands(policy)
        self._looks = looks
        self._observers = [_Observer(one, looks, histories) for one in policy.signals]
        self._world = World(self._policy, assumed, looks.begin / 1000)
        self._status = Status(traffic_known=True)
        self._seen = Seen(looks.begin / 1000)
        self._asks_always = asks_always
        #: States of the signals of which the plan said that nothing is to be done, nor held back.
        self._quiet: tuple[object, ...] | None = None
        #: What was remembered last, with what was seen then.
        self._known = (self._status, self._seen)
        self._decided: Decision | None = None
        self._notes: list[Note] = []
        self._holds: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Look]:
        """Yield what came of each look, in their order."""
        for look in self._looks:
            yield self._look(look)

    def _look(self, look: int) -> Look:
        now, readings = look / 1000, self._read(look)
        states = tuple((one.state, one.breached, one.recovered) for one in readings)
        if states == self._quiet and not self._asks_always:
            return Look(now, readings, self._status.traffic)
        found = self._asked(now, readings)
        self._quiet = states if self._is_quiet(found) else None
        return found

    def _is_quiet(self, look: Look) -> bool:
        """Tell whether the plan would say the same of the same states at any later look.

        What time alone can change is a run, a switch, or something that is held back: a pause that
        ends is such a hold. A test goes through histories with and without asking.
        """
        status = self._status
        is_busy = (status.run is not None and status.run.is_open) or status.is_swapping
        return not (is_busy or look.decided or look.notes or look.holds)

    def _asked(self, now: float, readings: tuple[Reading, ...]) -> Look:
        """Go through the parts of the plan as a reconcile does."""
        self._decided, self._notes, self._holds = None, [], ()
        self._seen = Seen(now, target=self._world.target(self._status))
        self._take_steps(rescue)
        self._seen = Seen(
            now, target=self._seen.target, readings=readings, prometheus_now=now,
            jobs=self._world.jobs(now), has_template=self._policy.retrain is not None,
        )  # fmt: skip
        for part in PARTS:
            self._take_steps(part)
        if self._status.run is not None and self._status.run.state is RunState.STARTING:
            self._take_steps(run)
        return Look(
            now, readings, self._status.traffic, self._decided, tuple(self._notes), self._holds
        )  # fmt: skip

    def _read(self, look: int) -> tuple[Reading, ...]:
        reset_at, breached = self._status.reset_at, self._status.breached
        since = 0.0 if reset_at is None else reset_at + self._policy.settle_seconds
        return tuple(
            read(
                one.signal, one.observed(look, since), breached.get(one.signal.name, False)
            )
            for one in self._observers
        )  # fmt: skip

    def _take_steps(self, part: Part) -> None:
        """Take the steps of one part until it is at rest."""
        done = NOTHING_DONE
        for _ in range(_STEPS_A_LOOK):
            known, plan = self._plan(part, done)
            self._holds = plan.holds or self._holds
            if plan.is_rest(known):
                self._status = known
                if plan.note is not None:
                    self._notes.append(plan.note)
                return
            done = self._carry_out(plan)
            if part is decide:
                return

    def _plan(self, part: Part, done: Done) -> tuple[Status, Plan]:
        """Look at what a part needs; return what is remembered then, and its next step."""
        policy, known = self._policy, self._remembered()
        one = known.run
        if part is run and one is not None and one.is_open:
            self._seen = replace(self._seen, run=self._world.run(one, self._seen.now))
        plan = part(policy, KEY, known, self._seen, done)
        if plan.asks_for_run:
            number = next_number(known, self._seen)
            self._seen = replace(self._seen, next_run=self._world.next_run(number))
            known = self._remembered()
            plan = part(policy, KEY, known, self._seen, done)
        return known, plan

    def _remembered(self) -> Status:
        """Return what is remembered with what is seen; the same of the same is not asked twice."""
        known, seen = self._known
        if known is not self._status or seen is not self._seen:
            known = remembered(self._policy, KEY, self._status, self._seen)
            self._status, self._known = known, (known, self._seen)
        return known

    def _carry_out(self, plan: Plan) -> Done:
        if plan.problem is not None:
            raise TaxiError(f"cannot be replayed: {plan.problem}")
        if plan.memory.reset_at != self._status.reset_at:
            self._seen = replace(self._seen, readings=())  # they are of the old model
        self._status = plan.memory
        if plan.decision is not None:
            self._decided = plan.decision
        if plan.note is not None:
            self._notes.append(plan.note)
        done = self._world.carry_out(plan, self._seen.now)
        self._seen = replace(self._seen, target=self._world.target(self._status))
        return done


def breaches(signals: Sequence[Signal], looks: Looks, histories: Histories) -> Iterator[bool]:
    """Yield whether any signal was breached at each look, whatever any policy did.

    Replays differ in when their promotions reset signals; this is what all are measured by.
    """
    observers = [_Observer(one, looks, histories) for one in signals]
    latched = [False for _ in signals]
    for look in looks:
        latched = [
            read(one.signal, one.observed(look, 0.0), before).breached
            for one, before in zip(observers, latched, strict=True)
        ]
        yield any(latched)
