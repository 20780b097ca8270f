"""gunicorn's options that all servers share."""

from collections.abc import Mapping
from typing import Final

OPTIONS: Final[Mapping[str, object]] = {
    "worker_tmp_dir": "/dev/shm",  # noqa: S108 - the heartbeat file must not be on a disk
    "control_socket_disable": True,  # its folder is read-only in the container
    "accesslog": None,
}
