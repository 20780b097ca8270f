"""The batch report in the chart: its CronJob, what it is told, and Dask's scheduler and workers."""

import importlib
import shutil
import subprocess
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
import yaml
from support.chart import (
    CHART,
    VALUE_SETS,
    environment,
    manifests,
    objects,
    pods,
    rendered,
    template,
)

from taxi_domain import kube

pytestmark = pytest.mark.chart

MIB = 2**20


def release(values: dict[str, Any], **others: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the objects of a release that makes reports, by kind and name."""
    found = manifests(template({"batchReport": {"enabled": True, **values}, **others}))
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def job_of(found: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    (cron_job,) = (one for (kind, name), one in found.items()
                   if kind == "CronJob" and name.endswith("-report"))  # fmt: skip
    return dict(cron_job["spec"]["jobTemplate"]["spec"])


def container_of(workload: dict[str, Any]) -> dict[str, Any]:
    (container,) = workload["template"]["spec"]["containers"]
    return dict(container)


def settings_of(values: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return what the report's container is told."""
    return environment(container_of(job_of(release(values, **others))))


@pytest.mark.parametrize("values", [{}, {"batchReport": None}, {"batchReport": {"enabled": False}}])
def test_a_release_makes_no_reports_unless_it_is_told_to(values: dict[str, Any]) -> None:
    """`helm upgrade --reuse-values` from an earlier release has no `batchReport`."""
    found = manifests(template(values))

    names = {one["metadata"]["name"] for one in found}
    assert {"taxi-train", "taxi-predictor"} <= names
    assert not [name for name in names if "report" in name or "dask" in name]


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (["batchReport"], "batchReport.schedule"),
        (["batchReport", "dask"], "batchReport.dask"),
        (["images", "report"], "images.report"),
        (["batchReport", "failedJobsHistoryLimit"], "batchReport.failedJobsHistoryLimit"),
    ],
)
def test_values_of_an_older_chart_lack_what_reports_need_and_are_told_what(
    tmp_path: Path, missing: list[str], named: str
) -> None:
    """`helm upgrade --reuse-values` gives the chart the defaults of the release before."""
    older = tmp_path / "chart"
    shutil.copytree(CHART, older)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    block = values
    for name in missing[:-1]:
        block = block[name]
    del block[missing[-1]]
    (older / "values.yaml").write_text(yaml.safe_dump(values))

    with pytest.raises(subprocess.CalledProcessError) as caught:
        template({"batchReport": {"enabled": True}}, chart=older)

    assert f"{named}: is missing; give it, or upgrade with --reset-then-reuse-values" in (
        caught.value.stderr
    )


def test_a_report_is_made_every_day_once_and_its_job_can_be_made_by_hand() -> None:
    cron_job = release({})["CronJob", "taxi-report"]
    job = cron_job["spec"]["jobTemplate"]

    assert (cron_job["spec"]["schedule"], cron_job["spec"]["timeZone"]) == ("15 1 * * *", "UTC")
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    assert not cron_job["spec"].get("suspend")
    # `kubectl create job --from` takes the template as it is.
    assert job["metadata"]["labels"][kube.COMPONENT_LABEL] == "report"
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    container = container_of(job["spec"])
    assert (container["name"], container["args"]) == (
        "report", ["run", "--scheduled", "--last=1d", "--output=both"],
    )  # fmt: skip
    assert "command" not in container


def test_wrong_settings_are_not_tried_again_and_a_drained_node_does_not_count() -> None:
    job = job_of(release({}))

    drained, wrong = job["podFailurePolicy"]["rules"]
    assert job["backoffLimit"] == 2
    assert (drained["action"], drained["onPodConditions"][0]["type"]) == (
        "Ignore", "DisruptionTarget",
    )  # fmt: skip
    assert (wrong["action"], wrong["onExitCodes"]["values"]) == ("FailJob", [2])
    assert wrong["onExitCodes"]["containerName"] == container_of(job)["name"]


def test_every_value_reaches_the_report() -> None:
    values = {
        "schedule": "5 4 * * 1", "timeZone": "Europe/Berlin", "last": "7d", "output": "json",
        "sampleRows": 700, "processes": 5, "partitionRows": 1_000_000,
        "keep": {"count": 3, "days": 4}, "activeDeadlineSeconds": 11, "backoffLimit": 12,
        "startingDeadlineSeconds": 13, "ttlSecondsAfterFinished": 14,
        "successfulJobsHistoryLimit": 15, "failedJobsHistoryLimit": 16,
    }  # fmt: skip
    found = release(values)
    spec, job = found["CronJob", "taxi-report"]["spec"], job_of(found)

    of_job = ("activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")
    of_cron_job = ("schedule", "timeZone", "startingDeadlineSeconds", "successfulJobsHistoryLimit",
                   "failedJobsHistoryLimit")  # fmt: skip
    assert [job[name] for name in of_job] == [values[name] for name in of_job]
    assert [spec[name] for name in of_cron_job] == [values[name] for name in of_cron_job]
    assert container_of(job)["args"] == ["run", "--scheduled", "--last=7d", "--output=json"]
    told = environment(container_of(job))
    assert told == {
        "TAXI_MONGODB_URI": {"secretKeyRef": {"name": "taxi-mongodb-report", "key": "uri"}},
        "TAXI_MODEL": "taxi-duration", "TAXI_REPORT_TIME_ZONE": "Europe/Berlin",
        "TAXI_REPORT_SAMPLE_ROWS": "700", "TAXI_REPORT_PROCESSES": "5",
        "TAXI_REPORT_PARTITION_ROWS": "1000000", "TAXI_REPORT_KEEP": "3",
        "TAXI_REPORT_KEEP_DAYS": "4",
    }  # fmt: skip


def test_defaults_are_those_of_the_settings() -> None:
    """But for the processes: how many cores a node has says nothing about a pod's memory."""
    settings = importlib.import_module("taxi_report.settings").Settings
    defaults = {field.alias: field.default for field in settings.model_fields.values()}

    for name, value in settings_of({}).items():
        if name not in {"TAXI_MONGODB_URI", "TAXI_REPORT_PROCESSES"}:
            assert value == str(defaults[name]), name


def test_the_zone_is_one_that_the_report_knows() -> None:
    (value,) = {
        environment(container_of(one["spec"]["jobTemplate"]["spec"]))["TAXI_REPORT_TIME_ZONE"]
        for one in objects("everything", "CronJob").values()
        if one["metadata"]["name"].endswith("-report")
    }

    assert value in available_timezones()


def test_prometheus_is_asked_for_the_predictors_of_this_release_alone() -> None:
    told = settings_of({"prometheus": {"url": "http://prometheus:9090"}}, fullnameOverride="other")

    assert told["TAXI_REPORT_PROMETHEUS_URL"] == "http://prometheus:9090"
    selector = told["TAXI_REPORT_PROMETHEUS_SELECTOR"]
    assert selector == 'namespace="ns",job=~"other-(predictor|fallback)"'
    # The job of a series is the Service that is scraped.
    services = {f"other-{one}" for one in ("predictor", "fallback")}
    assert services <= {
        name for kind, name in release({}, fullnameOverride="other") if kind == "ServiceMonitor"
    }


@pytest.mark.parametrize(
    ("prefect", "url"),
    [
        ({"apiUrl": "http://prefect:4200/api"}, "http://prefect:4200/api"),
        ({"apiUrl": "http://p/api", "existingSecret": "s"}, "http://p/api"),
        ({"existingSecret": "s"}, {"secretKeyRef": {"name": "s", "key": "url"}}),
    ],
)
def test_prefect_is_told_by_values_or_by_a_secret(prefect: dict[str, Any], url: Any) -> None:
    told = settings_of({"prefect": prefect})

    assert told["PREFECT_API_URL"] == url
    keys = {"PREFECT_API_KEY": "key", "PREFECT_API_AUTH_STRING": "auth"}
    assert {name: told[name] for name in keys if name in told} == {
        name: {"secretKeyRef": {"name": "s", "key": key, "optional": True}}
        for name, key in keys.items()
        if "existingSecret" in prefect
    }  # fmt: skip


def test_without_prefect_nothing_of_it_is_told() -> None:
    assert not [name for name in settings_of({}) if name.startswith("PREFECT_")]


def test_a_dask_cluster_that_is_there_is_used_by_its_address() -> None:
    found = release({"dask": {"address": "tls://dask.tools:8786"}})

    told = environment(container_of(job_of(found)))
    assert told["TAXI_REPORT_DASK_ADDRESS"] == "tls://dask.tools:8786"
    assert not [name for _, name in found if "dask" in name]


def test_two_schedulers_are_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        release({"dask": {"enabled": True, "address": "tcp://dask:8786"}})

    assert "batchReport.dask.address: is given beside" in caught.value.stderr


def test_report_workers_and_scheduler_find_one_another() -> None:
    found = release({"dask": {"enabled": True, "workers": 5}})

    service = found["Service", "taxi-dask-scheduler"]
    (port,) = service["spec"]["ports"]
    scheduler, worker = (found["Deployment", f"taxi-dask-{one}"] for one in ("scheduler", "worker"))
    address = f"tcp://{service['metadata']['name']}:{port['port']}"
    assert environment(container_of(job_of(found)))["TAXI_REPORT_DASK_ADDRESS"] == address
    assert container_of(worker["spec"])["args"][0] == address
    labels = scheduler["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    ports = {one["name"]: one["containerPort"] for one in container_of(scheduler["spec"])["ports"]}
    assert f"--port={ports[port['targetPort']]}" in container_of(scheduler["spec"])["args"]
    assert f"--dashboard-address=:{ports['health']}" in container_of(scheduler["spec"])["args"]
    assert (scheduler["spec"]["replicas"], worker["spec"]["replicas"]) == (1, 5)


def test_client_scheduler_and_workers_have_one_image_and_the_workers_one_database() -> None:
    found = release({"dask": {"enabled": True}})
    job = container_of(job_of(found))
    scheduler, worker = (
        container_of(found["Deployment", f"taxi-dask-{one}"]["spec"])
        for one in ("scheduler", "worker")
    )

    assert {job["image"], scheduler["image"], worker["image"]} == {job["image"]}
    shared = ("TAXI_MONGODB_URI", "TAXI_MODEL")
    assert [environment(worker)[one] for one in shared] == [environment(job)[one] for one in shared]
    assert "TAXI_MONGODB_URI" not in environment(scheduler)


@pytest.mark.parametrize(
    ("limit", "expected"), [("1Gi", 768 * MIB), ("900M", 675_000_000), (1e9, 750_000_000)]
)
def test_a_worker_ends_before_the_kernel_ends_its_pod(limit: object, expected: int) -> None:
    worker = {"resources": {"limits": {"memory": limit}}}
    found = release({"dask": {"enabled": True, "worker": worker}})

    args = container_of(found["Deployment", "taxi-dask-worker"]["spec"])["args"]
    assert f"--memory-limit={expected}" in args


def test_a_task_may_lose_more_workers_than_nodes_are_drained_at_once() -> None:
    found = release({"dask": {"enabled": True}})

    told = environment(container_of(found["Deployment", "taxi-dask-scheduler"]["spec"]))
    assert told["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] == "10"


def test_dask_shows_its_health_and_nothing_else_and_only_reports_reach_it() -> None:
    found = release({"dask": {"enabled": True}})

    for part, variable in (("scheduler", "SCHEDULER"), ("worker", "WORKER")):
        container = container_of(found["Deployment", f"taxi-dask-{part}"]["spec"])
        assert "--no-dashboard" in container["args"]
        routes = environment(container)[f"DASK_DISTRIBUTED__{variable}__HTTP__ROUTES"]
        assert routes == '["distributed.http.health"]'
    assert [one["name"] for one in found["Service", "taxi-dask-scheduler"]["spec"]["ports"]] == [
        "dask"
    ]
    policy = found["NetworkPolicy", "taxi-dask"]["spec"]
    (rule,) = policy["ingress"]
    (source,) = rule["from"]
    assert chosen(policy["podSelector"], found) == {"taxi-dask-scheduler", "taxi-dask-worker"}
    assert chosen(source["podSelector"], found) == {
        "taxi-dask-scheduler", "taxi-dask-worker", "taxi-report",
    }  # fmt: skip


def chosen(selector: dict[str, Any], found: dict[tuple[str, str], dict[str, Any]]) -> set[str]:
    """Return the workloads whose pods a selector chooses."""
    (expression,) = selector["matchExpressions"]
    assert expression["operator"] == "In"
    names = set()
    for (kind, name), one in found.items():
        spec = one["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else one.get("spec", {})
        if kind not in {"CronJob", "Job", "Deployment", "StatefulSet"}:
            continue
        labels = spec["template"]["metadata"]["labels"]
        if (
            selector["matchLabels"].items() <= labels.items()
            and labels[expression["key"]] in expression["values"]
        ):
            names.add(name)
    return names


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_folder_of_the_reports_pods_has_an_end(name: str) -> None:
    for pod, spec in pods(rendered(name)):
        if "report" in pod or "dask" in pod:
            (volume,) = (one for one in spec["volumes"] if "emptyDir" in one)
            mounts = {one["name"]: one for one in spec["containers"][0]["volumeMounts"]}
            mount = mounts[volume["name"]]
            assert volume["emptyDir"]["sizeLimit"].endswith("Mi")
            assert (mount["name"], mount["mountPath"]) == (volume["name"], "/tmp")


def test_the_image_writes_where_the_pod_lets_it() -> None:
    text = (CHART.parents[1] / "images/part/Dockerfile").read_text()

    assert "HOME=/tmp" in text
    assert "PREFECT_HOME=/tmp/prefect" in text
    found = release({"dask": {"enabled": True}})
    container = container_of(found["Deployment", "taxi-dask-worker"]["spec"])
    assert "--local-directory=/tmp" in container["args"]
    assert container["command"][0] == "/opt/venv/bin/python"
