"""The only reader of the environment."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from taxi_domain.models import MODEL_NAME
from taxi_profiles.scores.registry import SCORES
from taxi_runtime.ports import differ
from taxi_runtime.settings import MongodbUri, Name, Token
from taxi_runtime.tokens import MIN_TOKEN
from taxi_runtime.tracing import TracedSettings


class KnownEvent(BaseModel):
    """A time that is known to be out of the ordinary: a holiday, an incident.

    Its name and times are shown with the verdict, which they do not change.

    Attributes:
        name: For people.
        begin: With an offset, or UTC.
        end: Likewise, later.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    begin: datetime = Field(alias="from")
    end: datetime = Field(alias="to")

    @field_validator("begin", "end")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end <= self.begin:
            raise ValueError(f"{self.name!r}: `to` is not after `from`; give a later time")
        return self


class Settings(TracedSettings):
    """Settings of the monitor; each is an environment variable."""

    #: Where the log and the registry are.
    mongodb_uri: MongodbUri = Field(alias="TAXI_MONGODB_URI", min_length=1)
    #: Token that opens all doors; empty: only those of the folder.
    token: Token = Field(default="", alias="TAXI_MONITOR_TOKEN")
    #: Folder with the tokens in files, one a line: `ingest` for records, rows and events, `labels`
    #: for labels, `read` for readers; `token` for all. `labels.NAME` and the like are of a sender
    #: whose name is logged. They are read again when they change.
    tokens: Path | None = Field(default=None, alias="TAXI_MONITOR_TOKENS")
    #: Whether pages, reports and all else that is read ask for the token `read`.
    reading_closed: bool = Field(default=False, alias="TAXI_MONITOR_READING_CLOSED")
    #: Name of the model.
    model: Name = Field(default=MODEL_NAME, alias="TAXI_MODEL")
    #: InferenceService of KServe whose events are taken; empty: it has the model's name.
    inference_service: str = Field(
        default="", alias="TAXI_MONITOR_INFERENCE_SERVICE", max_length=253
    )
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
    #: Rows between two false alarms of the evidence, at least, on average.
    false_alarm_rows: int = Field(
        default=100_000, alias="TAXI_MONITOR_FALSE_ALARM_ROWS", ge=1000, le=1_000_000_000
    )
    #: Labels that are later than that are missing, hours.
    labels_overdue_hours: float = Field(
        default=48.0, alias="TAXI_MONITOR_LABELS_OVERDUE_HOURS", gt=0, le=8760
    )
    #: Share of the rows of a block's time that must have a label for its error to be judged; 0 for
    #: any.
    min_label_coverage: float = Field(
        default=0.9, alias="TAXI_MONITOR_MIN_LABEL_COVERAGE", ge=0, le=1
    )
    #: Share of rows that get a label in the end; below 1 where a random sample is labelled.
    labelled_share: float = Field(default=1.0, alias="TAXI_MONITOR_LABELLED_SHARE", ge=0.001, le=1)
    #: What was stored so long ago can be seen by all, seconds; blocks are made of no later rows.
    settle_seconds: float = Field(default=30.0, alias="TAXI_MONITOR_SETTLE_SECONDS", ge=0, le=3600)
    #: Times that are known to be out of the ordinary.
    known_events: Annotated[tuple[KnownEvent, ...], NoDecode] = Field(
        default=(), alias="TAXI_MONITOR_KNOWN_EVENTS", max_length=100
    )
    #: Scores by name that are exported beside the monitor's own, with commas between them.
    scores: str = Field(default="", alias="TAXI_MONITOR_SCORES")
    #: Address and port to listen on.
    host: str = Field(default="0.0.0.0", alias="TAXI_MONITOR_HOST")  # noqa: S104 - a container
    port: int = Field(default=8085, alias="TAXI_MONITOR_PORT", ge=1, le=65535)
    #: Port of metrics and probes, which the other one does not answer.
    metrics_port: int = Field(default=8086, alias="TAXI_MONITOR_METRICS_PORT", ge=1, le=65535)
    #: Posts that are worked on at the same time, each in a thread.
    threads: int = Field(default=8, alias="TAXI_MONITOR_THREADS", ge=1, le=64)
    #: Open connections.
    connections: int = Field(default=1000, alias="TAXI_MONITOR_CONNECTIONS", ge=1, le=100_000)
    #: How long a connection may wait for its next request or send its headers, seconds.
    keepalive_seconds: int = Field(default=75, alias="TAXI_MONITOR_KEEPALIVE_SECONDS", ge=1)

    @property
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores, each once."""
        names = (name.strip() for name in self.scores.split(","))
        return tuple(dict.fromkeys(name for name in names if name))

    @field_validator("scores")
    @classmethod
    def _are_scores(cls, value: str) -> str:
        for name in filter(None, map(str.strip, value.split(","))):
            if name not in SCORES:
                raise ValueError(f"{name} is no score; give some of {', '.join(SCORES)}")
        return value

    @field_validator("known_events", mode="before")
    @classmethod
    def _decoded(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except json.JSONDecodeError as error:
            raise ValueError(f"is not JSON ({error}); give a list of events") from error

    @field_validator("metrics_port")
    @classmethod
    def _ports_differ(cls, value: int, info: ValidationInfo) -> int:
        return differ(value, info.data.get("port"))

    @field_validator("token")
    @classmethod
    def _token_is_long(cls, value: str) -> str:
        if value and len(value) < MIN_TOKEN:
            raise ValueError(f"has fewer than {MIN_TOKEN} characters; make it longer")
        return value

    @field_validator("tokens", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return value or None

    @field_validator("min_rows")
    @classmethod
    def _windows_hold_as_many(cls, value: int, info: ValidationInfo) -> int:
        windows = (info.data.get(one, value) for one in ("window_rows", "error_window_rows"))
        if value > min(windows):
            raise ValueError("is larger than a window; make it smaller, or the windows larger")
        return value
