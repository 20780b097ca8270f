"""gunicorn's options that all servers share."""

from collections.abc import Mapping
from typing import Final

OPTIONS: Final[Mapping[str, object]] = {
    "worker_tmp_dir": "/dev/shm",  # noqa: S108 - the heartbeat file must not be on a disk
    "control_socket_disable": True,  # its folder is read-only in the container
    "accesslog": None,
    # A header that is not whole yet waits in memory, up to the product of both: by default 0.8 MB
    # for each connection.
    "limit_request_fields": 40,
    "limit_request_field_size": 8190,
}
