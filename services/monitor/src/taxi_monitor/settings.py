"""The only reader of the environment."""

from pydantic import Field, ValidationInfo, field_validator

from taxi_domain.models import MODEL_NAME
from taxi_runtime.settings import Environment, MongodbUri, Name, Token


class Settings(Environment):
    """Settings of the monitor; each is an environment variable."""

    #: Where the log and the registry are.
    mongodb_uri: MongodbUri = Field(alias="TAXI_MONGODB_URI", min_length=1)
    #: Token that writing routes ask for.
    token: Token = Field(alias="TAXI_MONITOR_TOKEN", min_length=8)
    #: Name of the model.
    model: Name = Field(default=MODEL_NAME, alias="TAXI_MODEL")
    #: Rows of a window.
    window_rows: int = Field(default=2000, alias="TAXI_MONITOR_WINDOW_ROWS", ge=100, le=200_000)
    #: Labelled rows that the error is taken over.
    error_window_rows: int = Field(
        default=2000, alias="TAXI_MONITOR_ERROR_WINDOW_ROWS", ge=100, le=200_000
    )
    #: Fewest rows of a window, or labelled rows, that are evaluated.
    min_rows: int = Field(default=500, alias="TAXI_MONITOR_MIN_ROWS", ge=10)
    #: Pause between two evaluations, seconds.
    evaluation_seconds: float = Field(
        default=5.0, alias="TAXI_MONITOR_EVALUATION_SECONDS", gt=0, le=3600
    )
    #: Address and port to listen on.
    host: str = Field(default="0.0.0.0", alias="TAXI_MONITOR_HOST")  # noqa: S104 - a container
    port: int = Field(default=8085, alias="TAXI_MONITOR_PORT", ge=1, le=65535)
    #: Posts that are worked on at the same time, each in a thread.
    threads: int = Field(default=8, alias="TAXI_MONITOR_THREADS", ge=1, le=64)
    #: Open connections.
    connections: int = Field(default=1000, alias="TAXI_MONITOR_CONNECTIONS", ge=1, le=100_000)
    #: How long a connection may wait for its next request or send its headers, seconds.
    keepalive_seconds: int = Field(default=75, alias="TAXI_MONITOR_KEEPALIVE_SECONDS", ge=1)

    @field_validator("min_rows")
    @classmethod
    def _windows_hold_as_many(cls, value: int, info: ValidationInfo) -> int:
        windows = (info.data.get(one, value) for one in ("window_rows", "error_window_rows"))
        if value > min(windows):
            raise ValueError("is larger than a window; make it smaller, or the windows larger")
        return value
