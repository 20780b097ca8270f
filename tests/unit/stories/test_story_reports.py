"""Reports of a release: the Job that makes one, and what `make report` shows."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.fake_kubectl import FakeKubectl
from typer.testing import CliRunner

from taxi_domain.kube import COMPONENT_LABEL, INSTANCE_LABEL, REPORT
from taxi_stories.jobs import job_of
from taxi_stories.main import app
from taxi_stories.release import Release
from taxi_stories.reports import Report, ReportError, make_report

NOW = datetime(2021, 3, 1, tzinfo=UTC)
LABELS = {INSTANCE_LABEL: "taxi", COMPONENT_LABEL: REPORT}
ENV = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
POD = {
    "containers": [
        {
            "name": "report",
            "args": ["run", "--scheduled", "--output=json"],
            "image": "i",
            "env": ENV,
        }
    ]
}
CRON_JOB: dict[str, Any] = {
    "kind": "CronJob",
    "metadata": {"name": "taxi-report", "labels": LABELS},
    "spec": {
        "schedule": "15 1 * * *",
        "jobTemplate": {
            "metadata": {"labels": LABELS},
            "spec": {"backoffLimit": 2, "template": {"spec": POD}},
        },
    },
}
DOCUMENT = {
    "verdict": "drift", "problems": ["a partition is missing"], "words": ["distance fell"],
    "span": {"local_from": "monday", "local_to": "tuesday", "time_zone": "UTC"},
}  # fmt: skip


def shown(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["report", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, " ".join(done.stdout.split()), " ".join(done.stderr.split())


def test_a_job_differs_from_its_template_in_what_is_given_alone() -> None:
    before = json.dumps(CRON_JOB)

    job = job_of(CRON_JOB, "by-hand", ["run", "--from=a"], {"B": "", "C": "3"})

    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container.pop("env")} == {
        "A": "1", "B": "", "C": "3",
    }  # fmt: skip
    assert container == {
        "name": "report", "args": ["run", "--from=a", "--output=json"], "image": "i",
    }  # fmt: skip
    assert (job["metadata"]["name"], job["spec"]["backoffLimit"]) == ("by-hand", 2)
    assert job["metadata"]["labels"] == LABELS
    assert json.dumps(CRON_JOB) == before


def test_a_release_that_makes_no_reports_is_told_with_the_remedy() -> None:
    with pytest.raises(ReportError, match=r"has none.*batchReport\.enabled"):
        make_report(Release(FakeKubectl("context", "ns")), NOW, NOW)


def test_the_saved_report_is_shown_in_words_with_its_path(tmp_path: Path) -> None:
    path = Report("<p>page</p>", DOCUMENT).save(tmp_path)

    code, text, _ = shown("--folder", str(tmp_path))

    assert code == 0
    assert text.startswith("a partition is missing distance fell Verdict: drift, from monday")
    assert path.as_uri() in text
    assert path.read_text() == "<p>page</p>"


def test_a_report_that_nobody_made_is_told_with_the_remedy(tmp_path: Path) -> None:
    code, _, text = shown("--folder", str(tmp_path / "nothing"))

    assert code == 1
    assert "`make demo` or `make collapse` makes" in text


@pytest.mark.parametrize("length", ["0h", "a day", "24", "-1h", "99999999d"])
def test_a_length_of_time_that_is_none_is_refused_by_name(length: str, tmp_path: Path) -> None:
    code, _, text = shown(f"--last={length}", "--folder", str(tmp_path))

    assert code == 1
    assert "--last" in text
