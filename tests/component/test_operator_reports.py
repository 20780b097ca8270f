"""Each decision that acts gets one report of its window; that it cannot be made stops nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.control_plane import condition_of
from support.operator_process import OperatorProcess, eventually
from support.policy_namespace import (
    FALLBACK,
    REPORT,
    REPORT_URL,
    PolicyNamespace,
    crd,
    object_of_chart,
    report_cron_job,
)
from support.prometheus import selector

from taxi_domain.kube import ATTEMPT_LABEL, DECISION_LABEL, POLICY_UID_LABEL, REPORT_LABEL
from taxi_domain.reports import report_id
from taxi_domain.runs import RunResult

pytestmark = pytest.mark.component

KILLED = 137
ENDS_WELL = ("SuccessCriteriaMet", "Complete")
ENDS_BADLY = ("FailureTarget", "Failed")
DAY = timedelta(days=1)


def is_report(job: dict[str, Any]) -> bool:
    return REPORT_LABEL in job["metadata"]["labels"]


def reports(world: PolicyNamespace) -> list[dict[str, Any]]:
    return [one for one in world.jobs() if is_report(one)]


def runs(world: PolicyNamespace) -> list[dict[str, Any]]:
    return [one for one in world.jobs() if not is_report(one)]


def decision(world: PolicyNamespace) -> dict[str, Any]:
    found: dict[str, Any] = world.status().get("decision") or {}
    return found


def messages(world: PolicyNamespace, reason: str) -> list[str]:
    found = world.api.list("Event", world.namespace)
    return [one["message"] for one in found if one["reason"] == reason]


def link_of(world: PolicyNamespace, end: str, length: timedelta = DAY) -> str:
    """Return the link to the report of the time before a decision."""
    until = datetime.fromisoformat(end)
    return f"{REPORT_URL}/reports/{report_id(world.namespace, until - length, until)}"


def add_reports(world: PolicyNamespace) -> None:
    world.api.apply(report_cron_job(), world.namespace)


def test_decision_makes_one_report_and_links_it(world: PolicyNamespace, tmp_path: Path) -> None:
    add_reports(world)
    operator = world.operator(reports=True)
    world.say(drift=2)
    world.apply_policy()

    (job,) = eventually("a report", lambda: reports(world))
    eventually("it is known", lambda: "reportJobName" in decision(world))
    operator.reconcile()
    (job,) = reports(world)
    found = decision(world)
    link = link_of(world, found["at"])
    start = (datetime.fromisoformat(found["at"]) - DAY).astimezone(UTC)
    assert found["reportURL"] == link
    assert datetime.fromisoformat(found["reportFrom"]) == start
    assert (found["reportJobName"], found.get("reportMessage")) == (job["metadata"]["name"], None)
    assert world.status()["history"] == [found]

    template = report_cron_job()["spec"]["jobTemplate"]["spec"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (ours,) = template["template"]["spec"]["containers"]
    assert container["args"] == [
        "run", "--model", world.namespace, "--from", found["reportFrom"], "--to", found["at"],
        "--output=both",
    ]  # fmt: skip
    assert (container["image"], container["env"]) == (ours["image"], ours["env"])
    assert job["spec"]["ttlSecondsAfterFinished"] == template["ttlSecondsAfterFinished"]
    policy = world.policy()
    assert policy is not None
    assert [one["uid"] for one in job["metadata"]["ownerReferences"]] == [policy["metadata"]["uid"]]

    (decided,), (started,) = messages(world, "RetrainDecided"), messages(world, "ReportStarted")
    assert link in decided
    assert link in started
    log = (tmp_path / "operator.log").read_text()
    assert [line for line in log.splitlines() if "because of drift" in line and link in line]


def test_report_is_no_run(world: PolicyNamespace) -> None:
    add_reports(world)
    operator = world.operator(reports=True)
    world.say(drift=2)
    world.apply_policy()
    (report,) = eventually("a report", lambda: reports(world))
    labels = report["metadata"]["labels"]
    assert not {POLICY_UID_LABEL, DECISION_LABEL, ATTEMPT_LABEL} & set(labels)

    world.end_job(report, *ENDS_BADLY)
    operator.reconcile()
    (job,) = runs(world)
    assert world.status()["run"]["state"] == "Running"
    assert world.status()["budget"]["runsInWindow"] == 1

    world.write_report(job, RunResult.NOT_BETTER)
    world.end_job(job, *ENDS_WELL)
    eventually("the run ends", lambda: world.status()["run"]["state"] == "Refused")
    operator.reconcile()
    assert (len(runs(world)), len(reports(world))) == (1, 1)
    assert world.status()["budget"]["runsInWindow"] == 1


def test_move_to_the_fallback_has_a_report_and_the_way_back_has_none(
    world: PolicyNamespace,
) -> None:
    add_reports(world)
    operator = world.operator(reports=True)
    eventually("it runs", operator.is_well)
    world.say(error=2)
    # A signal that looks back further than a day asks for as long a report.
    error = world.signal("error")
    error["promql"] = f"max_over_time({selector(world.namespace, 'error')}[30h])"
    world.apply_policy(signals=[world.signal("drift"), error], fallback={
        "deploymentName": FALLBACK, "minDwell": "0s", "restore": "Manual",
    })  # fmt: skip

    eventually("the report of the move", lambda: "reportJobName" in decision(world))
    assert world.selects() == FALLBACK
    found = decision(world)
    assert found["action"] == "Fallback"
    assert found["reportURL"] == link_of(world, found["at"], timedelta(hours=30))

    world.api.patch("DriftPolicy", world.namespace, "p", {"spec": {
        "fallback": None, "rules": {"fallback": None}, "signals": [world.signal("drift")],
    }})  # fmt: skip
    eventually("the champion is back", lambda: decision(world)["action"] == "Restore")
    operator.reconcile()
    assert not [name for name in decision(world) if name.startswith("report")]
    assert world.status()["history"][1]["reportURL"] == found["reportURL"]
    assert len(reports(world)) == 1


def kill_pod_of(world: PolicyNamespace, job: dict[str, Any]) -> None:
    """Let the pod of a Job end as the kernel ends one that takes too much memory."""
    name = f"{job['metadata']['name']}-x"
    world.api.apply({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "labels": {"batch.kubernetes.io/job-name": job["metadata"]["name"]},
        },
        "spec": {"containers": [{"name": "report", "image": "none"}]},
    }, world.namespace)  # fmt: skip
    ended = {"exitCode": 137, "reason": "OOMKilled"}
    world.api.patch("Pod", world.namespace, name, {"status": {"containerStatuses": [{
        "name": "report", "image": "none", "imageID": "", "ready": False, "restartCount": 0,
        "state": {"terminated": ended},
    }]}}, "/status")  # fmt: skip


def decided(world: PolicyNamespace) -> tuple[OperatorProcess, dict[str, Any]]:
    """Let an operator decide to retrain; return it and the Job of the decision's report."""
    add_reports(world)
    operator = world.operator(reports=True)
    world.say(drift=2)
    world.apply_policy()
    eventually("the report is known", lambda: "reportJobName" in decision(world))
    (job,) = reports(world)
    return operator, job


def test_link_of_a_report_whose_job_failed_says_so_once(world: PolicyNamespace) -> None:
    operator, job = decided(world)
    link = decision(world)["reportURL"]
    # The next decision comes before the Job of this one has ended.
    world.say(drift=0, error=2)
    eventually("the next decision", lambda: decision(world)["action"] == "Fallback")
    assert "reportMessage" not in world.status()["history"][1]
    kill_pod_of(world, job)
    world.end_job(job, *ENDS_BADLY)

    def told() -> str:
        text: str = world.status()["history"][1].get("reportMessage", "")
        return text

    message = eventually("it is told", told)
    operator.reconcile(3)
    assert message == f"Job {job['metadata']['name']}: OOMKilled: raise the Job's memory limit"
    assert world.status()["history"][1]["reportURL"] == link
    (event,) = messages(world, "ReportFailed")
    assert event == f"decision 1: {message}"
    assert condition_of(world.policy(), "Ready") == ("True", "PolicyAccepted")


def test_job_that_ended_well_is_looked_at_no_more(world: PolicyNamespace) -> None:
    operator, job = decided(world)
    world.end_job(job, *ENDS_WELL)

    eventually("it is told", lambda: decision(world).get("reportMessage") == "the report was made")
    world.remove_job(job)
    operator.reconcile(3)
    assert decision(world)["reportMessage"] == "the report was made"
    assert world.status()["history"] == [decision(world)]
    assert messages(world, "ReportFailed") == []


def test_job_that_is_gone_before_its_end_was_seen_is_told(world: PolicyNamespace) -> None:
    operator, job = decided(world)
    world.remove_job(job)

    eventually("it is told", lambda: "reportMessage" in decision(world))
    operator.reconcile(3)
    assert "is gone; how it ended is not known" in decision(world)["reportMessage"]
    assert len(messages(world, "ReportFailed")) == 1
    assert reports(world) == []


@pytest.mark.parametrize("fault", ["after-intent", "after-job", "after-report"])
def test_death_at_any_step_makes_one_report(world: PolicyNamespace, fault: str) -> None:
    add_reports(world)
    world.say(drift=2)
    world.apply_policy()
    assert world.operator(fault=fault, reports=True).wait_for_death() == KILLED
    assert len(reports(world)) == (fault == "after-report")
    planned = decision(world)
    assert planned["reportURL"] == link_of(world, planned["at"])
    assert "reportJobName" not in planned

    operator = world.operator(reports=True)

    eventually("the report is known", lambda: "reportJobName" in decision(world))
    operator.reconcile()
    assert (len(runs(world)), len(reports(world))) == (1, 1)
    assert decision(world)["reportURL"] == planned["reportURL"]
    assert decision(world)["number"] == 1


def test_two_operators_make_one_report(world: PolicyNamespace) -> None:
    add_reports(world)
    both = [world.operator(reports=True), world.operator(reports=True)]
    for one in both:
        eventually("it runs", one.is_well)
    world.say(drift=2)
    world.apply_policy()

    eventually("the report is known", lambda: "reportJobName" in decision(world))
    for one in both:
        one.reconcile()
    assert (len(runs(world)), len(reports(world))) == (1, 1)
    assert "ReportFailed" not in world.events()


def test_decision_without_a_cronjob_of_reports_says_so_once(world: PolicyNamespace) -> None:
    operator = world.operator(reports=True)
    world.say(drift=2)
    world.apply_policy()

    eventually("a Job", lambda: runs(world))
    operator.reconcile(3)
    (decided,) = messages(world, "RetrainDecided")
    assert decided.endswith(f"; no report: there is no CronJob {REPORT}")
    assert not {"ReportStarted", "ReportFailed"} & set(world.events())
    assert "reportURL" not in decision(world)
    assert decision(world)["reportMessage"] == f"there is no CronJob {REPORT}"
    assert (world.status()["run"]["state"], reports(world)) == ("Running", [])
    assert condition_of(world.policy(), "Ready") == ("True", "PolicyAccepted")


def test_cronjob_that_goes_before_the_job_is_made_takes_the_link_along(
    world: PolicyNamespace,
) -> None:
    add_reports(world)
    world.say(drift=2)
    world.apply_policy()
    assert world.operator(fault="after-intent", reports=True).wait_for_death() == KILLED
    assert "reportURL" in decision(world)
    world.api.delete("CronJob", world.namespace, REPORT)

    operator = world.operator(reports=True)

    eventually("it is told", lambda: messages(world, "ReportFailed"))
    operator.reconcile(3)
    assert len(messages(world, "ReportFailed")) == 1
    assert not {"reportURL", "reportFrom"} & set(decision(world))
    assert REPORT in decision(world)["reportMessage"]
    assert len(runs(world)) == 1
    assert condition_of(world.policy(), "Ready") == ("True", "PolicyAccepted")


def test_report_that_is_refused_holds_up_nothing_and_is_tried_again(world: PolicyNamespace) -> None:
    add_reports(world)
    role = object_of_chart("Role", "taxi-operator")
    (rule,) = (one for one in role["rules"] if one["resources"] == ["jobs"])
    rule["verbs"].remove("create")
    world.api.apply(role, world.namespace)
    operator = world.operator(reports=True)
    world.say(error=2)
    world.apply_policy()

    eventually("it is told", lambda: messages(world, "ReportFailed"))
    operator.reconcile(3)
    assert world.selects() == FALLBACK
    assert "FallbackActivated" in world.events()
    assert len(messages(world, "ReportFailed")) == 1
    assert "Forbidden" in decision(world)["reportMessage"]
    assert condition_of(world.policy(), "Ready") == ("True", "PolicyAccepted")

    world.api.apply(object_of_chart("Role", "taxi-operator"), world.namespace)
    eventually("the report is made", lambda: "reportJobName" in decision(world))
    assert "reportMessage" not in decision(world)
    assert len(reports(world)) == 1


def test_dry_run_has_no_report(world: PolicyNamespace) -> None:
    add_reports(world)
    operator = world.operator(reports=True)
    world.say(drift=2)
    world.apply_policy(mode="DryRun")

    eventually("it decides", lambda: decision(world).get("action") == "DryRunRetrain")
    operator.reconcile()
    assert world.jobs() == []
    assert not [name for name in decision(world) if name.startswith("report")]


def test_dry_run_leaves_no_link_that_nobody_fills(world: PolicyNamespace) -> None:
    add_reports(world)
    world.say(drift=2)
    world.apply_policy()
    assert world.operator(fault="after-intent", reports=True).wait_for_death() == KILLED
    assert "reportURL" in decision(world)
    world.say(drift=0, error=2)
    world.api.patch("DriftPolicy", world.namespace, "p", {"spec": {"mode": "DryRun"}})

    operator = world.operator(reports=True)

    eventually("it decides", lambda: decision(world).get("action", "").startswith("DryRun"))
    operator.reconcile()
    (retrain,) = world.status()["history"]
    assert retrain["action"] == "Retrain"
    assert not {"reportURL", "reportFrom"} & set(retrain)
    assert reports(world) == []


def test_operator_that_knows_of_no_reports_makes_none(world: PolicyNamespace) -> None:
    add_reports(world)
    operator = world.operator()
    world.say(drift=2)
    world.apply_policy()

    eventually("a Job", world.jobs)
    operator.reconcile()
    assert reports(world) == []
    assert not [name for name in decision(world) if name.startswith("report")]


@contextmanager
def resource_without_reports(world: PolicyNamespace) -> Iterator[None]:
    """Let the API server know the resource as releases before the reports, and dry runs, had it."""
    older = crd()
    (version,) = older["spec"]["versions"]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    for facts in (status["decision"], status["history"]["items"]):
        facts["properties"] = {
            name: one for name, one in facts["properties"].items() if not name.startswith("report")
        }
    del status["dryRun"]
    for name in ("cronJobName", "gate"):
        del status["run"]["properties"][name]
    world.apply_policy("probe", mode="Suspend")
    world.api.apply(older)
    eventually("fields of reports are not served", lambda: not keeps_links(world))
    try:
        world.delete_policy("probe")
        yield
    finally:
        world.apply_policy("probe", mode="Suspend")
        world.api.apply(crd())
        eventually("fields of reports are served", lambda: keeps_links(world))
        world.delete_policy("probe")


def keeps_links(world: PolicyNamespace) -> bool:
    """Tell whether the API server keeps what it is told of a report: it drops unknown fields."""
    told = {"id": "0001", "number": 1, "action": "Retrain", "because": [], "reportMessage": "m"}
    for one in (None, told):
        change = {"status": {"decision": one}}
        world.api.patch("DriftPolicy", world.namespace, "probe", change, "/status")
    return "reportMessage" in world.status("probe")["decision"]


def test_older_resource_holds_up_no_decision(world: PolicyNamespace, tmp_path: Path) -> None:
    add_reports(world)
    with resource_without_reports(world):
        operator = world.operator(reports=True)
        world.say(drift=2)
        world.apply_policy()

        eventually("the run's Job", lambda: runs(world))
        operator.reconcile(2)
        world.say(drift=0, error=2)
        eventually("the move", lambda: world.selects() == FALLBACK)
        operator.reconcile(2)
        assert condition_of(world.policy(), "Ready") == ("True", "PolicyAccepted")
        assert [one["action"] for one in world.status()["history"]] == ["Fallback", "Retrain"]
        assert not [name for name in decision(world) if name.startswith("report")]
        log = (tmp_path / "operator.log").read_text()
        told = [line for line in log.splitlines() if "CustomResourceDefinition" in line]
        assert len(told) == 1
        assert "upgrade" in told[0]
        # The report is made all the same; Event and log lead to it.
        assert len(reports(world)) == 2
        world.kill_operators()
