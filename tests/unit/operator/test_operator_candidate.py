"""What a policy's status shows of a run's report."""

from datetime import UTC, datetime

from taxi_domain.runs import RunResult
from taxi_operator.plan.candidate import candidate_of
from taxi_store.registry.runs import RunEntry

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_numbers_are_texts_with_the_fallback_beside() -> None:
    numbers = {
        "gain": 0.25, "ci_low": 0.2, "ci_high": 0.3, "champion_rmse": 8.0, "candidate_rmse": 6.0,
        "fallback_rmse": 0.0071234, "evaluated_rows": 1500.0,
    }  # fmt: skip
    report = RunEntry("r", "train", RunResult.BETTER, "better", "v2", "v1", NOW, NOW, numbers)

    assert candidate_of(report, "Promoted") == {
        "state": "Promoted", "verdict": "Better", "version": "v2", "gain": "0.2500",
        "ci": ["0.2000", "0.3000"], "championRmse": "8.00",
        "candidateRmse": "6.00", "fallbackRmse": "0.00712", "evaluatedRows": 1500,
        "message": "better",
    }  # fmt: skip


def test_reason_of_bad_data_is_shown() -> None:
    report = RunEntry(
        "r", "train", RunResult.DATA_QUALITY_FAILED, "all the same", None, "v1", NOW, NOW,
        {"Repeated": 0.9}, "Repeated",
    )  # fmt: skip

    shown = candidate_of(report, "Refused")

    assert (shown["verdict"], shown["reason"]) == ("DataQualityFailed", "Repeated")
    assert "gain" not in shown
