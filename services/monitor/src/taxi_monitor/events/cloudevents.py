"""CloudEvents of inference loggers, in HTTP's binary, structured and batched content modes.

KServe's logger sends two for each inference, with the same id: the request's body and, when it was
answered with 200, the response's (pkg/logger of github.com/kserve/kserve). The modes are those of
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Final
from urllib.parse import unquote

import msgspec
from msgspec import DecodeError, Raw, Struct

from taxi_domain.errors import FieldError
from taxi_store.log.pending import Half

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
TYPES: Final[Mapping[str, Half]] = {
    f"org.kubeflow.serving.inference.{half}": half for half in Half
}  # fmt: skip
#: Endpoints whose rows are the champion's: KServe has no name for it, or this one.
DEFAULT_ENDPOINTS: Final = ("", "default")
MAX_EVENT_ID: Final = 128
#: Of an attribute that waits with its half.
MAX_ATTRIBUTE: Final = 256
#: Of one body of a request or response: both of an inference wait in one document of 16 MiB.
MAX_DATA_BYTES: Final = 1024 * 1024
#: Attributes of an event that are looked at.
ATTRIBUTES: Final = (
    "specversion", "id", "type", "source", "time", "inferenceservicename", "endpoint",
    "modelversion",
)  # fmt: skip
_VERSIONS: Final = "1."


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Attributes:
        id: The same for both halves of an inference.
        half: None for an event of another type.
        time: UTC, when it says one.
        service: Name of the InferenceService, empty when it says none.
        endpoint: `default`, `canary` or whatever the sender says.
        version: Of the model, where the sender says it (`modelversion`).
        data: Body of the request or response, JSON.
    """

    id: str
    half: Half | None
    time: datetime | None
    service: str
    endpoint: str
    version: str
    data: bytes


class _Envelope(Struct):
    """An event as JSON has it; other attributes are passed over, null is as good as absent."""

    specversion: str
    id: str
    type: str
    source: str
    time: str | None = None
    inferenceservicename: str | None = None
    endpoint: str | None = None
    modelversion: str | None = None
    data: Raw = Raw(b"")
    data_base64: str | None = None


def binary(attributes: Mapping[str, str], body: bytes) -> Event:
    """Return the event of a request in binary mode.

    Args:
        attributes: Values of its headers, without `Ce-`.
        body: Of the request.

    Raises:
        FieldError: an attribute is missing or cannot be used.
    """
    values = {name: unquote(value) for name, value in attributes.items()}
    try:
        envelope = msgspec.convert(values, _Envelope)
    except msgspec.ValidationError as error:
        raise _no_event(error) from error
    return _event(envelope, body)


def structured(data: Raw | bytes) -> Event:
    """Return the event of a JSON object.

    Raises:
        FieldError: it is none, or an attribute cannot be used.
    """
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except (DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _no_event(error) from error
    return _event(envelope, _data_of(envelope))


def _data_of(envelope: _Envelope) -> bytes:
    if envelope.data_base64 is not None:
        try:
            return base64.b64decode(envelope.data_base64, validate=True)
        except (binascii.Error, ValueError) as error:
            raise FieldError("data_base64", "is not base64", "send JSON as data") from error
    data = bytes(envelope.data)
    if not data.startswith(b'"'):
        return data
    # What is not said to be JSON comes as a text.
    try:
        return msgspec.json.decode(data, type=str).encode()
    except (DecodeError, UnicodeDecodeError) as error:
        raise FieldError("data", f"is no text ({error})", "send JSON in UTF-8 as data") from error


def _event(envelope: _Envelope, data: bytes) -> Event:
    if not envelope.specversion.startswith(_VERSIONS):
        raise FieldError("specversion", "is not known", "send CloudEvents 1.0")
    half = TYPES.get(envelope.type)
    if not 0 < len(envelope.id) <= MAX_EVENT_ID or "\0" in envelope.id:
        raise FieldError("id", "cannot be used", f"send 1 to {MAX_EVENT_ID} characters")
    for name in ("endpoint", "modelversion"):
        if len(getattr(envelope, name) or "") > MAX_ATTRIBUTE:
            raise FieldError(name, "is too long", f"send at most {MAX_ATTRIBUTE} characters")
    if half is not None and len(data) > MAX_DATA_BYTES:
        raise FieldError(
            "data", f"is larger than {MAX_DATA_BYTES} bytes", "send fewer rows a request"
        )
    return Event(
        envelope.id, half, _time(envelope.time), envelope.inferenceservicename or "",
        envelope.endpoint or "", envelope.modelversion or "", data,
    )  # fmt: skip


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    remedy = "send it as 2023-04-05T07:39:53Z"
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise FieldError("time", "has no offset", remedy)
        moment = moment.astimezone(UTC)
    except ValueError as error:
        raise FieldError("time", "is no time", remedy) from error
    except OverflowError as error:
        raise FieldError("time", "is out of its limits", remedy) from error
    # The same limits as a record's: every clock of the world can show it.
    if not MINYEAR < moment.year < MAXYEAR:
        raise FieldError("time", "is out of its limits", remedy)
    return moment


def _no_event(error: Exception) -> FieldError:
    return FieldError(
        "event", f"is no CloudEvent ({error})", "send specversion, id, type and source"
    )
