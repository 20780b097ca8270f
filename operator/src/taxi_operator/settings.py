"""The only reader of the environment."""

from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from taxi_domain.errors import FieldError
from taxi_operator.spec.addresses import AllowList
from taxi_runtime.settings import Environment, HttpUrl, MongodbUri, Name, Token
from taxi_runtime.tracing import TracedSettings


class Failpoint(StrEnum):
    """Where a test lets the operator die, to prove that a restart goes on."""

    NONE = ""
    AFTER_INTENT = "after-intent"
    AFTER_JOB = "after-job"
    BEFORE_ALIAS = "before-alias"
    AFTER_ALIAS = "after-alias"
    AFTER_REPORT = "after-report"


#: Shortest and longest span of a decision's report, seconds.
MIN_REPORT_SPAN: Final = 3600
MAX_REPORT_SPAN: Final = 31 * 86_400


class PrometheusSettings(Environment):
    """Which Prometheus is asked, and with what."""

    #: The Prometheus of policies that name none; empty: each has to name one.
    prometheus_url: str = Field(default="", alias="TAXI_OPERATOR_PROMETHEUS_URL", pattern=r"^\S*$")
    #: Addresses that policies may name beside it, with spaces between them; paths below are meant.
    prometheus_allowed: str = Field(default="", alias="TAXI_OPERATOR_PROMETHEUS_ALLOWED")
    #: Longest time of a query where a policy says nothing, seconds.
    prometheus_timeout_seconds: float = Field(
        default=5, alias="TAXI_OPERATOR_PROMETHEUS_TIMEOUT", ge=1, le=30
    )
    #: Folder that may have the files `token`, or `username` and `password`, and `ca.crt`.
    prometheus_secret: Path | None = Field(default=None, alias="TAXI_OPERATOR_PROMETHEUS_SECRET")
    #: The tenant that is asked for, and its header; empty: no header is sent.
    prometheus_tenant: Token = Field(default="", alias="TAXI_OPERATOR_PROMETHEUS_TENANT")
    prometheus_tenant_header: str = Field(
        default="X-Scope-OrgID", alias="TAXI_OPERATOR_PROMETHEUS_TENANT_HEADER",
        pattern=r"^[A-Za-z0-9-]{1,100}$",
    )  # fmt: skip

    @field_validator("prometheus_url", "prometheus_allowed")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        try:
            AllowList("", value.split())
        except FieldError as error:
            raise ValueError(f"{error.problem}; {error.remedy}") from None
        return value


class Settings(PrometheusSettings, TracedSettings):
    """Settings of the operator; each is an environment variable."""

    #: The namespace that is served.
    namespace: Name = Field(alias="TAXI_OPERATOR_NAMESPACE", min_length=1)
    #: The release (`app.kubernetes.io/instance`) whose active Services are served; empty: all.
    instance: str = Field(default="", alias="TAXI_OPERATOR_INSTANCE")
    #: Where registry and runs are.
    mongodb_uri: MongodbUri = Field(alias="TAXI_MONGODB_URI", min_length=1)
    #: Ports of the health check and of the metrics.
    health_port: int = Field(default=8080, alias="TAXI_OPERATOR_HEALTH_PORT", ge=1, le=65535)
    metrics_port: int = Field(default=9090, alias="TAXI_OPERATOR_METRICS_PORT", ge=1, le=65535)
    #: Policies that are evaluated at the same time.
    concurrency: int = Field(default=8, alias="TAXI_OPERATOR_CONCURRENCY", ge=1, le=100)
    #: Time-out of a call to the API server, seconds.
    api_timeout_seconds: float = Field(default=15.0, alias="TAXI_OPERATOR_API_TIMEOUT", gt=0)
    #: Retrain Jobs of all policies together that may go on at the same time.
    max_runs: int = Field(default=2, alias="TAXI_OPERATOR_MAX_RUNS", ge=1, le=100)
    #: Folder that has the file `key`, which signs notices of decisions.
    webhook_secret: Path | None = Field(default=None, alias="TAXI_OPERATOR_WEBHOOK_SECRET")
    #: Where they are sent to; empty: nobody is told.
    webhook_url: HttpUrl = Field(default="", alias="TAXI_OPERATOR_WEBHOOK_URL")
    #: What the cluster is called in them.
    cluster_name: str = Field(default="", alias="TAXI_OPERATOR_CLUSTER_NAME", max_length=100)
    #: Base address of the monitor in links to reports, as their readers know it.
    report_url: HttpUrl = Field(default="", alias="TAXI_OPERATOR_REPORT_URL")
    #: CronJob that the reports of decisions are made from; empty: none are made.
    report_cron_job: str = Field(
        default="", alias="TAXI_OPERATOR_REPORT_CRONJOB", pattern=r"^[a-z0-9.-]{0,253}$"
    )
    #: Shortest span of such a report, seconds; signals that look back further make it longer.
    report_span_seconds: int = Field(
        default=86_400, alias="TAXI_OPERATOR_REPORT_SPAN_SECONDS",
        ge=MIN_REPORT_SPAN, le=MAX_REPORT_SPAN,
    )  # fmt: skip
    #: Where to die, for tests only.
    fault: Failpoint = Field(default=Failpoint.NONE, alias="TAXI_OPERATOR_FAULT")

    @field_validator("report_url")
    @classmethod
    def _is_public(cls, value: str) -> str:
        if "@" in urlsplit(value).netloc:
            raise ValueError("has a user or a password, and links are published; give it without")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _is_told_signed(cls, value: str, others: ValidationInfo) -> str:
        if "@" in urlsplit(value).netloc:
            raise ValueError("has a user or a password; notices are signed, give it without")
        if value and not others.data.get("webhook_secret"):
            raise ValueError("needs a key that signs; give TAXI_OPERATOR_WEBHOOK_SECRET too")
        return value

    @field_validator("report_cron_job")
    @classmethod
    def _has_links(cls, value: str, others: ValidationInfo) -> str:
        if value and not others.data.get("report_url"):
            raise ValueError("needs an address for links; give TAXI_OPERATOR_REPORT_URL too")
        return value


class ToolSettings(PrometheusSettings):
    """Settings of the command line `taxi-policy`: in the operator's pod those of the operator."""

    #: The namespace whose policies are meant.
    namespace: str = Field(default="", alias="TAXI_OPERATOR_NAMESPACE", pattern=r"^[a-z0-9-]*$")
    #: The release whose CronJobs are meant; empty: all of the namespace.
    instance: str = Field(default="", alias="TAXI_OPERATOR_INSTANCE")
    #: Where registry and runs are; empty: what only they know is told as not known.
    mongodb_uri: str = Field(default="", alias="TAXI_MONGODB_URI")
    #: Time-out of a call to the API server, seconds.
    api_timeout_seconds: float = Field(default=15.0, alias="TAXI_OPERATOR_API_TIMEOUT", gt=0)
