"""The webhook's receiver, and what a process of the operator sends it by."""

from collections import Counter

from support.simulator.faults import Caller, Server
from support.simulator.journal import Journal
from taxi_operator.notify.notice import Notice


class Hook:
    """Takes every notice that reaches it.

    Attributes:
        taken: How often each was taken, by its id.
        notices: What was taken, in its order.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.taken: Counter[str] = Counter()
        self.notices: list[Notice] = []

    def take(self, notice: Notice) -> None:
        """Take one."""
        self.taken[notice.identity] += 1
        self.notices.append(notice)
        self._journal.note(
            "notice", policy=notice.policy, occasion=str(notice.occasion),
            number=notice.entry["number"], because=notice.entry["because"],
        )  # fmt: skip


class SimulatedWebhook:
    """The tries of one process; it stands in for `taxi_operator.notify.webhook.Webhook`."""

    def __init__(self, hook: Hook, caller: Caller) -> None:
        self._hook = hook
        self._caller = caller

    async def send(self, notice: Notice) -> None:
        await self._caller.call(Server.WEBHOOK, lambda: self._hook.take(notice), changes=True)
