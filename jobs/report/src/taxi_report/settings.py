"""The only reader of the environment."""

import os
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from taxi_domain.models import MODEL_NAME
from taxi_runtime.settings import Environment, HttpUrl, MongodbUri, Name
from taxi_store.log.partitions import MAX_ROWS


class Settings(Environment):
    """Settings of a batch report; each is an environment variable."""

    #: Where the log and the registry are, and where reports go.
    mongodb_uri: MongodbUri = Field(alias="TAXI_MONGODB_URI", min_length=1)
    #: Name of the model.
    model: Name = Field(default=MODEL_NAME, alias="TAXI_MODEL")
    #: Zone in which spans are given and shown.
    time_zone: str = Field(default="UTC", alias="TAXI_REPORT_TIME_ZONE")
    #: Prometheus that knows what was refused; empty: the report does not say it.
    prometheus_url: HttpUrl = Field(default="", alias="TAXI_REPORT_PROMETHEUS_URL")
    #: Label matchers of this release's series, for example `namespace="taxi"`.
    prometheus_selector: str = Field(default="", alias="TAXI_REPORT_PROMETHEUS_SELECTOR")
    #: Prefect server or Cloud that shows the flow; empty: the report is made without Prefect.
    prefect_api_url: HttpUrl = Field(default="", alias="PREFECT_API_URL")
    #: Dask scheduler (`tcp://host:8786`); empty: processes of this machine.
    dask_address: str = Field(
        default="", alias="TAXI_REPORT_DASK_ADDRESS", pattern=r"^$|^(tcp|tls)://.+:\d+$"
    )
    #: Processes that read the log; 0: as many as there are processors.
    processes: int = Field(default=0, alias="TAXI_REPORT_PROCESSES", ge=0, le=256)
    #: Rows of a partition at most.
    partition_rows: int = Field(
        default=MAX_ROWS, alias="TAXI_REPORT_PARTITION_ROWS", ge=1000, le=1_000_000
    )
    #: Rows of the sample that the interactive part is made of.
    sample_rows: int = Field(default=5000, alias="TAXI_REPORT_SAMPLE_ROWS", ge=100, le=100_000)
    #: Reports that stay, and for how many days; 0 is for ever.
    keep_reports: int = Field(default=100, alias="TAXI_REPORT_KEEP", ge=0, le=100_000)
    keep_days: int = Field(default=90, alias="TAXI_REPORT_KEEP_DAYS", ge=0, le=36_500)
    #: How long a call to MongoDB or Prometheus may take, seconds.
    timeout_seconds: float = Field(default=20.0, alias="TAXI_REPORT_TIMEOUT_SECONDS", gt=0, le=3600)
    #: How long a report may wait for MongoDB or workers of Dask, also in its middle, seconds.
    patience_seconds: float = Field(
        default=300.0, alias="TAXI_REPORT_PATIENCE_SECONDS", ge=0, le=86_400
    )

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; give one as Europe/Berlin") from None
        return value

    @property
    def workers(self) -> int:
        """Processes that read the log."""
        return self.processes or len(os.sched_getaffinity(0))
