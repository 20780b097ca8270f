"""Which decision a step, or what is remembered, is about: the id that log lines and traces have."""

from taxi_domain.runs import decision_id
from taxi_operator.memory.status import Status
from taxi_operator.plan.effects import Select
from taxi_operator.plan.plan import Plan


def under_way(uid: str, status: Status) -> str:
    """Return the decision of a policy that is being carried out; empty where none is."""
    if status.run is not None and status.run.is_open:
        return decision_id(uid, status.run.number)
    return decision_id(uid, status.number) if status.is_swapping else ""


def subject_of(uid: str, plan: Plan) -> str:
    """Return the decision of a policy that a step makes or carries out; empty before the first."""
    memory = plan.memory
    moves_traffic = any(isinstance(one, Select) for one in plan.first + plan.then)
    number = memory.number
    if plan.decision is None and not moves_traffic and memory.run is not None:
        number = memory.run.number
    return decision_id(uid, number) if number else ""
