"""Reports of decisions: how far they look back, which Job makes them, when that is given up."""

import asyncio
import copy
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from taxi_domain.errors import FieldError, NotAvailableError, TaxiError
from taxi_domain.kube import ATTEMPT_LABEL, DECISION_LABEL, POLICY_UID_LABEL, REPORT_LABEL
from taxi_domain.reports import report_id
from taxi_operator.core.decisions import CHAMPION_UNAVAILABLE, Action, Decision
from taxi_operator.core.jobs import PolicyKey, decision_number, job_name
from taxi_operator.memory.status import Status
from taxi_operator.memory.status_document import document_of, status_of
from taxi_operator.metrics import Metrics
from taxi_operator.plan.seen import Seen
from taxi_operator.reconcile_context import ReconcileContext
from taxi_operator.report_ends import PATIENCE_OF_JOBS_SECONDS, ReportEnds
from taxi_operator.reporting import Reporter
from taxi_operator.reports import (
    PATIENCE_SECONDS,
    Reports,
    ReportSource,
    range_seconds,
    report_arguments,
    report_job,
    report_job_name,
    span_seconds,
)
from taxi_operator.settings import MAX_REPORT_SPAN, MIN_REPORT_SPAN, Settings
from taxi_operator.spec.policy import Policy, policy_of
from taxi_operator.times import text_of
from taxi_runtime.settings import read

Document = dict[str, Any]

HOUR, DAY = 3600, 86_400
KEY = PolicyKey("p", "0a1b2c3d-1111-2222-3333-444455556666")
SOURCE = ReportSource("taxi-report", "http://monitor.example/", DAY)
CRON_JOB: Document = {
    "metadata": {"name": "taxi-report"},
    "spec": {
        "jobTemplate": {
            "metadata": {"labels": {"app.kubernetes.io/component": "report"}},
            "spec": {
                "ttlSecondsAfterFinished": 600, "backoffLimit": 2,
                "template": {
                    "spec": {
                        "containers": [
                            {"name": "sidecar", "args": ["a"]},
                            {
                                "name": "report", "image": "report:1",
                                "args": ["run", "--scheduled", "--last=24h", "--output=json"],
                            },
                        ]
                    }
                },
            },
        }
    },
}  # fmt: skip
#: 2025-10-09T08:53:20Z
NOW = 1_760_000_000.7


def signal(name: str, promql: str, lasts: str) -> Document:
    return {
        "name": name, "promql": promql, "enter": {"op": "Greater", "value": "1", "for": lasts},
        "exit": {"op": "Less", "value": "1", "for": "168h"},
    }  # fmt: skip


def policy(*signals: Document) -> Policy:
    return policy_of(
        {
            "modelName": "m",
            "target": {"deploymentName": "d", "activeServiceName": "s"},
            "prometheus": {"url": "http://p"},
            "signals": list(signals) or [signal("drift", "q", "5m")],
        }
    )


@pytest.mark.parametrize(
    ("promql", "seconds"),
    [
        ("x", 0), ("x[5m]", 300), ("rate(x[5m])", 300), ("max_over_time(rate(x[5m])[1h:])", HOUR),
        ("a[5m] / b[1h30m]", 5400), ("a[1d] > bool b[2w:1m]", 14 * DAY), ('x{a="[b]"}', 0),
        ("x[90s] offset 1w", 90), ("x[500ms]", 0.5), ("x[1y]", 365 * DAY), ("x[", 0), ("[]", 0),
    ],
)  # fmt: skip
def test_range_of_a_query_is_its_longest(promql: str, seconds: float) -> None:
    assert range_seconds(promql) == seconds


@pytest.mark.parametrize(
    ("because", "shortest", "seconds"),
    [
        (["short"], DAY, DAY),
        (["short"], HOUR, HOUR),
        (["long"], DAY, 48 * HOUR + 300),
        (["short", "long"], DAY, 48 * HOUR + 300),
        (["ranged"], HOUR, 7 * DAY + 60),
        (["endless"], DAY, MAX_REPORT_SPAN),
        ([CHAMPION_UNAVAILABLE], DAY, DAY),
        ([], HOUR, HOUR),
    ],
)
def test_span_reaches_back_as_far_as_the_signals_that_decided(
    because: list[str], shortest: int, seconds: int
) -> None:
    looked_at = policy(
        signal("short", "q", "5m"), signal("long", "rate(q[5m])", "48h"),
        signal("ranged", "rate(q[7d])", "1m"), signal("endless", "rate(q[1y])", "0s"),
    )  # fmt: skip

    assert span_seconds(looked_at, because, shortest) == seconds


@given(
    st.text("x[]{}()0123456789smhdwy:. ", max_size=40),
    st.floats(0.01, 168).map(lambda hours: f"{hours:.3f}h"),
    st.integers(MIN_REPORT_SPAN, MAX_REPORT_SPAN),
)
def test_span_is_whole_seconds_within_bounds(promql: str, lasts: str, shortest: int) -> None:
    found = span_seconds(policy(signal("s", promql.strip() or "q", lasts)), ["s"], shortest)

    assert isinstance(found, int)
    assert shortest <= found <= MAX_REPORT_SPAN


@given(st.text("abcdefghij-", min_size=1, max_size=253), st.integers(1, 999_999_999))
def test_job_of_a_report_has_a_name_of_its_own(name: str, number: int) -> None:
    key = PolicyKey(name, KEY.uid)
    found = report_job_name(key, number)

    assert len(found) <= 63
    assert found == report_job_name(key, number)
    assert found != report_job_name(key, number + 1)
    assert found not in {job_name(key, number, attempt) for attempt in range(1, 11)}


def test_job_differs_from_its_cronjob_in_arguments_alone() -> None:
    before = copy.deepcopy(CRON_JOB)
    arguments = report_arguments("m", "2025-10-08T08:53:20Z", "2025-10-09T08:53:20Z")
    job = report_job(CRON_JOB, KEY, 7, arguments)

    wanted = copy.deepcopy(CRON_JOB["spec"]["jobTemplate"]["spec"])
    wanted["template"]["spec"]["containers"][1]["args"] = [
        "run", "--model", "m", "--from", "2025-10-08T08:53:20Z", "--to", "2025-10-09T08:53:20Z",
        "--output=json",
    ]  # fmt: skip
    assert job["spec"] == wanted
    assert before == CRON_JOB
    labels = job["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "report"
    assert labels[REPORT_LABEL] == "7"
    assert not {POLICY_UID_LABEL, DECISION_LABEL, ATTEMPT_LABEL} & set(labels)
    assert decision_number(job) == 0


def test_cronjob_without_the_container_is_named() -> None:
    strange = copy.deepcopy(CRON_JOB)
    del strange["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][1]

    with pytest.raises(FieldError, match="taxi-report has no container report"):
        report_job(strange, KEY, 1, [])


class FakeCluster:
    """An API server that fails as it is told to; keeps what is written."""

    def __init__(self) -> None:
        self.cron_job_found: Document | None = CRON_JOB
        self.looks = 0.0
        self.error: TaxiError | None = None
        self.jobs: dict[str, Document] = {}
        self.tries = 0
        self.events: list[str] = []

    async def cron_job(self, _name: str) -> Document | None:
        await asyncio.sleep(self.looks)
        if self.error:
            raise self.error
        return self.cron_job_found

    async def create_job(self, manifest: Document) -> bool:
        self.tries += 1
        name = manifest["metadata"]["name"]
        return self.jobs.setdefault(name, manifest) is manifest

    async def job(self, name: str) -> Document | None:
        if self.error:
            raise self.error
        return self.jobs.get(name)

    async def apply_status(self, _policy: Document, status: Document) -> None:
        """Keep nothing: the reporter puts it into the policy itself."""

    async def event(self, _found: Document, reason: str, message: str, **_: object) -> None:
        self.events.append(f"{reason}: {message}")


class Bench:
    """One policy that just decided, and the clock."""

    def __init__(self, source: ReportSource = SOURCE) -> None:
        self.cluster = FakeCluster()
        self.now = NOW
        cluster: Any = self.cluster
        reporter = Reporter(cluster, Metrics(CollectorRegistry()), lambda: self.now)
        self.reports = Reports(cluster, reporter, source, lambda _point: None)
        self.ends = ReportEnds(cluster, reporter)
        metadata = {"name": KEY.name, "uid": KEY.uid, "generation": 1}
        self.found: Document = {"metadata": metadata}

    def decide(self, action: Action = Action.RETRAIN, number: int = 3) -> Status:
        status = Status().decided(number, Decision(action, ("drift",)), self.now)
        return asyncio.run(self.reports.planned(policy(), status))

    def look(self, status: Status) -> Status:
        """Look at the ends of Jobs, with no more than the status as it is written."""
        context = ReconcileContext(
            self.found, policy(), status_of(document_of(status, 1), self.now), Seen(self.now)
        )
        asyncio.run(self.ends.look(context))
        return context.status

    def carry_on(self, status: Status) -> Status:
        """Go on as after a restart: with no more than the status as it is written."""
        read_again = status_of(document_of(status, 1), self.now)
        assert not read_again.unreadable
        context = ReconcileContext(self.found, policy(), read_again, Seen(self.now))
        asyncio.run(self.reports.carry_on(context))
        return context.status


def facts(status: Status) -> Document:
    return {name: one for name, one in (status.decision or {}).items() if name.startswith("report")}


@pytest.mark.parametrize("action", [Action.RETRAIN, Action.FALLBACK])
def test_link_is_that_of_the_span_before_the_decision(action: Action) -> None:
    bench = Bench()
    status = bench.decide(action)

    end = datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    start = datetime(2025, 10, 8, 8, 53, 20, tzinfo=UTC)
    assert facts(status) == {
        "reportURL": f"http://monitor.example/reports/{report_id('m', start, end)}",
        "reportFrom": "2025-10-08T08:53:20Z",
    }
    assert status.history == (status.decision,)
    assert bench.cluster.tries == 0


def test_way_back_has_no_report() -> None:
    assert facts(Bench().decide(Action.RESTORE)) == {}


def test_without_a_cronjob_in_the_settings_nothing_is_asked_or_said() -> None:
    bench = Bench(ReportSource())
    bench.cluster.error = NotAvailableError("away")

    assert facts(bench.decide()) == {}


def test_cronjob_that_is_not_there_is_named_in_place_of_the_link() -> None:
    bench = Bench()
    bench.cluster.cron_job_found = None

    status = bench.decide()

    assert facts(status) == {"reportMessage": "there is no CronJob taxi-report"}
    assert bench.carry_on(status) == status_of(document_of(status, 1), NOW)
    assert bench.cluster.events == []


def test_api_server_that_does_not_say_holds_up_no_decision() -> None:
    bench = Bench()
    bench.cluster.error = NotAvailableError("away")
    assert "reportURL" in facts(bench.decide())

    bench.cluster.error, bench.cluster.looks = None, 60.0
    begin = time.monotonic()
    assert "reportURL" in facts(bench.decide())
    assert time.monotonic() - begin < 10


def test_job_is_made_once_and_noted() -> None:
    bench = Bench()
    planned = bench.decide()

    made = bench.carry_on(planned)
    # A crash before the status was written leaves the plan as it was.
    again = bench.carry_on(planned)
    bench.carry_on(made)

    assert made == again
    assert facts(made) == {**facts(planned), "reportJobName": report_job_name(KEY, 3)}
    assert list(bench.cluster.jobs) == [report_job_name(KEY, 3)]
    assert bench.cluster.tries == 2
    (event,) = bench.cluster.events
    assert event.startswith("ReportStarted: decision 3:")
    assert facts(planned)["reportURL"] in event


def test_end_of_a_job_is_waited_for_a_day() -> None:
    bench = Bench()
    status = bench.carry_on(bench.decide())
    bench.now += PATIENCE_OF_JOBS_SECONDS - 1
    assert bench.look(status) == status
    bench.now += 2

    late = bench.look(status)

    assert facts(late)["reportMessage"].endswith("has not ended within a day")
    assert facts(late) == {**facts(status), "reportMessage": facts(late)["reportMessage"]}
    assert late.history == (late.decision,)
    assert bench.look(late) == late
    assert [one.split(":")[0] for one in bench.cluster.events] == ["ReportStarted", "ReportFailed"]


def test_api_server_that_does_not_tell_of_a_job_is_asked_again() -> None:
    bench = Bench()
    status = bench.carry_on(bench.decide())
    bench.cluster.error = NotAvailableError("away")

    assert bench.look(status) == status
    bench.cluster.error = None
    bench.cluster.jobs.clear()
    assert "is gone" in facts(bench.look(status))["reportMessage"]


def test_dry_run_s_decision_of_the_same_number_is_not_told_of_the_report() -> None:
    bench = Bench()
    made = bench.carry_on(bench.decide())
    dry = {"id": "0003", "number": 3, "action": "DryRunFallback", "because": [], "at": text_of(NOW)}
    bench.cluster.jobs.clear()

    status = bench.look(replace(made, decision=dry))

    assert status.decision == dry
    assert "reportMessage" in status.history[0]


def test_outage_is_told_once_and_tried_again_while_it_may_end() -> None:
    bench = Bench()
    status = bench.decide()
    bench.cluster.error = NotAvailableError("API server: away")
    for _ in range(3):
        status = bench.carry_on(status)
        bench.now += 30
    assert facts(status)["reportMessage"] == "API server: away"
    assert len(bench.cluster.events) == 1

    bench.cluster.error = None
    status = bench.carry_on(status)

    assert "reportMessage" not in facts(status)
    assert "reportJobName" in facts(status)


def test_outage_that_lasts_ends_the_tries_and_the_link() -> None:
    bench = Bench()
    status = bench.decide()
    bench.cluster.error = NotAvailableError("API server: away")
    status = bench.carry_on(status)
    bench.now += PATIENCE_SECONDS + 1
    status = bench.carry_on(status)
    bench.cluster.error = None
    status = bench.carry_on(status)

    assert facts(status) == {"reportMessage": "API server: away"}
    assert status.history == (status.decision,)
    assert bench.cluster.tries == 0
    assert [event.split(":")[0] for event in bench.cluster.events] == ["ReportFailed"] * 2


def test_operator_that_was_away_for_long_still_makes_the_report() -> None:
    bench = Bench()
    status = bench.decide()
    bench.now += 10 * PATIENCE_SECONDS

    assert "reportJobName" in facts(bench.carry_on(status))


def test_reports_that_were_switched_off_take_the_open_link_along() -> None:
    status = Bench().decide()
    off = Bench(ReportSource())

    assert list(facts(off.carry_on(status))) == ["reportMessage"]
    assert off.cluster.tries == 0


def test_job_that_was_made_before_the_template_changed_is_still_the_decision_s() -> None:
    bench = Bench()
    planned = bench.decide()
    bench.carry_on(planned)
    changed = copy.deepcopy(CRON_JOB)
    for one in changed["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]:
        one.pop("args")
    bench.cluster.cron_job_found = changed

    assert "reportJobName" in facts(bench.carry_on(planned))


@pytest.mark.parametrize("change", ["owner", "arguments"])
def test_job_of_another_decision_is_not_taken_for_this_one(change: str) -> None:
    bench = Bench()
    bench.carry_on(bench.decide())
    (job,) = bench.cluster.jobs.values()
    if change == "owner":
        job["metadata"]["ownerReferences"] = []
    else:
        # A status that was lost counts anew, and comes to the same number at another time.
        bench.now += DAY

    status = bench.carry_on(bench.decide())

    assert "reportJobName" not in facts(status)
    assert "is not of this decision; remove it" in facts(status)["reportMessage"]
    bench.cluster.jobs.clear()
    assert "reportJobName" in facts(bench.carry_on(status))


def test_next_decision_takes_the_link_of_a_report_that_was_not_made_along() -> None:
    bench = Bench()
    made = bench.carry_on(bench.decide(number=1))
    open_one = replace(
        bench.decide(number=2), history=(*bench.decide(number=2).history, *made.history)
    )

    after = open_one.decided(3, Decision(Action.RESTORE), NOW)

    assert [one["number"] for one in after.history] == [3, 2, 1]
    assert ["reportURL" in one for one in after.history] == [False, False, True]


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    given = {"TAXI_OPERATOR_NAMESPACE": "n", "TAXI_MONGODB_URI": "mongodb://m/taxi"}
    given |= {f"TAXI_OPERATOR_REPORT_{name}": value for name, value in variables.items()}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return read(Settings)


def test_reports_are_off_unless_a_cronjob_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)

    assert ReportSource(
        found.report_cron_job, found.report_url, found.report_span_seconds
    ) == ReportSource()  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"CRONJOB": "taxi-report"}, "TAXI_OPERATOR_REPORT_CRONJOB: needs an address for links"),
        (
            {"CRONJOB": "taxi-report", "URL": ""},
            "TAXI_OPERATOR_REPORT_CRONJOB: needs an address for links",
        ),
        ({"CRONJOB": "taxi/report", "URL": "http://m"}, "TAXI_OPERATOR_REPORT_CRONJOB"),
        (
            {"CRONJOB": "r", "URL": "http://u:secret@m/x"},
            "TAXI_OPERATOR_REPORT_URL: has a user or a password",
        ),
        ({"CRONJOB": "r", "URL": "http://u@m"}, "TAXI_OPERATOR_REPORT_URL: has a user"),
        ({"CRONJOB": "r", "URL": "monitor"}, "TAXI_OPERATOR_REPORT_URL: is no address"),
        ({"SPAN_SECONDS": "3599"}, "TAXI_OPERATOR_REPORT_SPAN_SECONDS"),
        ({"SPAN_SECONDS": "2678401"}, "TAXI_OPERATOR_REPORT_SPAN_SECONDS"),
    ],
)
def test_setting_that_leads_to_no_report_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    with pytest.raises(FieldError, match=named):
        settings(monkeypatch, **variables)
