"""The only reader of the environment."""

import os
import shutil
from enum import StrEnum
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from taxi_domain.models import MODEL_NAME, Alias
from taxi_runtime.ports import differ
from taxi_runtime.settings import Folder, HttpUrl, MongodbUri, Name, Token, mongodb_uri_in
from taxi_runtime.tracing import TracedSettings

#: Bytes of the spool that a worker needs at least.
MIN_SPOOL_BYTES = 65536
#: A row has a few hundred bytes; with what else a client sends along, so many at most.
ROW_BYTES = 2048
_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class SpoolFull(StrEnum):
    """What a row meets when the spool is full."""

    REFUSE = "refuse"
    UNLOGGED = "unlogged"


class Settings(TracedSettings):
    """Settings of a predictor; each is an environment variable."""

    #: File of a mounted Secret that says where the log and the registry are; it is read again when
    #: MongoDB refuses the login.
    mongodb_uri_file: Path | None = Field(default=None, alias="TAXI_MONGODB_URI_FILE")
    #: Where they are, for as long as the process runs, in place of the file.
    mongodb_uri: MongodbUri | None = Field(
        default=None, alias="TAXI_MONGODB_URI", validate_default=True
    )
    #: Base address of the monitor; empty sends it nothing.
    monitor_url: HttpUrl = Field(default="", alias="TAXI_MONITOR_URL")
    #: Token for the monitor's records; empty: that of the folder.
    monitor_token: Token = Field(default="", alias="TAXI_MONITOR_TOKEN")
    #: Folder whose file `ingest` (or `token`, where one is for all) has it in its first line; it is
    #: read again when it changes.
    monitor_tokens: Path | None = Field(default=None, alias="TAXI_MONITOR_TOKENS")
    #: Folder with the tokens of callers, each in a file that is named after its caller, one a line;
    #: they are read again when they change. Empty asks nobody for a token.
    callers: Path | None = Field(default=None, alias="TAXI_PREDICT_CALLERS")
    #: Name of the model.
    model: Name = Field(default=MODEL_NAME, alias="TAXI_MODEL")
    #: Which alias this pod serves.
    alias: Alias = Field(default=Alias.CHAMPION, alias="TAXI_PREDICT_ALIAS")
    #: Alias that scores each row too, in the background; empty scores none.
    shadow_alias: Alias | None = Field(default=None, alias="TAXI_PREDICT_SHADOW_ALIAS")
    #: Folder of spool and model cache; must survive a restart of the container.
    data_dir: Folder = Field(default=Path("/data"), alias="TAXI_PREDICT_DATA_DIR")
    #: Address and port to listen on.
    host: str = Field(default="0.0.0.0", alias="TAXI_PREDICT_HOST")  # noqa: S104 - a container
    port: int = Field(default=9696, alias="TAXI_PREDICT_PORT", ge=1, le=65535)
    #: Port of metrics and probes, which the other one does not answer.
    metrics_port: int = Field(default=9697, alias="TAXI_PREDICT_METRICS_PORT", ge=1, le=65535)
    #: Processes, and open connections of each.
    workers: int = Field(default=2, alias="TAXI_PREDICT_WORKERS", ge=1, le=64)
    connections: int = Field(default=1000, alias="TAXI_PREDICT_CONNECTIONS", ge=1, le=100_000)
    #: How long a connection may wait for its next request or send its headers, seconds.
    keepalive_seconds: int = Field(default=75, alias="TAXI_PREDICT_KEEPALIVE_SECONDS", ge=1)
    #: Records that MongoDB does not have yet may take this much, in bytes, over all workers.
    spool_max_bytes: int = Field(
        default=256 * 1024 * 1024, alias="TAXI_PREDICT_SPOOL_MAX_BYTES", ge=MIN_SPOOL_BYTES
    )
    #: What happens when they do: refuse (503) or answer unlogged.
    spool_full: SpoolFull = Field(default=SpoolFull.REFUSE, alias="TAXI_PREDICT_SPOOL_FULL")
    #: False neither logs nor tells the monitor.
    log: bool = Field(default=True, alias="TAXI_PREDICT_LOG")
    #: Most rows of one batch; the limit of a body follows from it.
    batch_max_rows: int = Field(default=1000, alias="TAXI_PREDICT_BATCH_MAX_ROWS", ge=1, le=4000)
    #: How long a stopping predictor goes on delivering, seconds.
    drain_seconds: float = Field(default=15.0, alias="TAXI_PREDICT_DRAIN_SECONDS", ge=0)

    @field_validator(
        "mongodb_uri", "mongodb_uri_file", "shadow_alias", "monitor_tokens", "callers",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("mongodb_uri")
    @classmethod
    def _is_said_once(cls, value: str | None, info: ValidationInfo) -> str | None:
        file = info.data.get("mongodb_uri_file")
        if value is None and file is None:
            raise ValueError("is not set, and TAXI_MONGODB_URI_FILE neither; give one of both")
        if value is not None and file is not None:
            raise ValueError("is set, and TAXI_MONGODB_URI_FILE too; give one of both")
        return value

    @field_validator("spool_max_bytes")
    @classmethod
    def _every_worker_has_room(cls, value: int, info: ValidationInfo) -> int:
        workers = info.data.get("workers", 1)
        if value < workers * MIN_SPOOL_BYTES:
            raise ValueError(f"{value} bytes; {workers} workers need {MIN_SPOOL_BYTES} each")
        return value

    @field_validator("metrics_port")
    @classmethod
    def _ports_differ(cls, value: int, info: ValidationInfo) -> int:
        return differ(value, info.data.get("port"))

    def mongodb_address(self) -> str:
        """Return the URI of MongoDB, as the file has it now.

        Raises:
            FieldError: the file cannot be used.
        """
        if self.mongodb_uri is not None:
            return self.mongodb_uri
        assert self.mongodb_uri_file is not None  # one of both is given
        return mongodb_uri_in(self.mongodb_uri_file)

    @property
    def readiness_dir(self) -> Path:
        """Folder in which the workers say that they can answer."""
        return self.data_dir / "readiness"

    @property
    def restarts_file(self) -> Path:
        """File in which the workers that died are counted."""
        return self.data_dir / "worker-restarts"

    def body_bytes(self, row_bytes: int = ROW_BYTES, widest_bytes: int = ROW_BYTES) -> int:
        """Return the bytes of the largest body: a full batch and room for a row of any width.

        Args:
            row_bytes: Of the rows of a full batch, at most.
            widest_bytes: Of a single row, at most.
        """
        return self.batch_max_rows * max(row_bytes, ROW_BYTES) + max(widest_bytes, ROW_BYTES)

    @property
    def spool_dir(self) -> Path:
        """Folder that the workers append to and the delivery reads."""
        return self.data_dir / "spool"

    @property
    def heartbeat_file(self) -> Path:
        """File that the delivery touches again and again."""
        return self.spool_dir / "delivery.heartbeat"


def metrics_folder() -> Path:
    """Return the folder that the workers share their counters through."""
    return Path(os.environ.setdefault(_METRICS_FOLDER, "/tmp/taxi-predict-metrics"))  # noqa: S108


def prepare_metrics_folder() -> None:
    """Empty the folder that the workers share their counters through, before any import.

    prometheus_client chooses its multiprocess form when it is imported.
    """
    folder = metrics_folder()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
