"""The operator knows what follows from every verdict of a run."""

from taxi_domain.runs import RunResult
from taxi_operator.plan.run import _REFUSED


def test_every_verdict_is_a_promotion_a_refusal_or_a_failure() -> None:
    observed = {RunResult.WORSE, RunResult.NOT_WORSE}
    others = {RunResult.PENDING, RunResult.BETTER, RunResult.DATA_QUALITY_FAILED, *observed}

    assert set(RunResult) == _REFUSED | others
    assert not _REFUSED & others
    assert RunResult.SCHEMA_CHANGED in _REFUSED
