"""Arrays over a pipe between environments of other numpys: a head in JSON and an npz archive."""

import io
import json
import struct
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct(">Q")
_HEAD = "head"


def write(stream: IO[bytes], head: Any, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
    """Write one message."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(head).encode(), np.uint8)
    named: dict[str, Any] = {f"a{name}": part for name, part in (arrays or {}).items()}
    np.savez(buffer, **{_HEAD: text, **named})
    stream.write(_LENGTH.pack(buffer.tell()))
    stream.write(buffer.getvalue())
    stream.flush()


def read(stream: IO[bytes]) -> tuple[Any, dict[str, NDArray[Any]]] | None:
    """Read one message; None at the end of the stream.

    Raises:
        EOFError: the stream ends within a message.
    """
    size = stream.read(_LENGTH.size)
    if not size:
        return None
    (length,) = _LENGTH.unpack(size)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError(f"{len(data)} of {length} bytes came; the other side ended")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        head = json.loads(archive[_HEAD].tobytes())
        return head, {name[1:]: archive[name] for name in archive.files if name != _HEAD}
