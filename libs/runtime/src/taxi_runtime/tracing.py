"""Whether a process makes traces. Where it does not, OpenTelemetry is not imported at all."""

from typing import TYPE_CHECKING, Final

from pydantic import Field

from taxi_domain.errors import FieldError
from taxi_runtime.settings import Environment, HttpUrl

if TYPE_CHECKING:
    from taxi_runtime.traces import Traces

_VARIABLE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


class TracedSettings(Environment):
    """The one setting of traces that is ours; OpenTelemetry's SDK reads its others itself."""

    #: Base address of the collector that takes traces, by OTLP over HTTP; empty: none are made.
    traces_to: HttpUrl = Field(default="", alias=_VARIABLE)


def traces_of(settings: TracedSettings) -> "Traces | None":
    """Start what makes traces; None where nothing does. Call it after a fork, in each process.

    Raises:
        FieldError: it cannot be started.
    """
    if not settings.traces_to:
        return None
    try:
        from taxi_runtime.traces import Traces
    except ModuleNotFoundError as error:
        raise FieldError(
            _VARIABLE, f"is set, and OpenTelemetry is not installed ({error.name})",
            "install taxi-runtime with the extra `tracing`, or leave the variable out",
        ) from error  # fmt: skip
    return Traces(settings.traces_to)
