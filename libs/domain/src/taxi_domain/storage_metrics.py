"""The part of the metric catalogue that is of MongoDB, its disk and its backups."""

from typing import Final

from taxi_domain.metric import Metric, computed

MONITOR_MONGODB_UP: Final = computed(
    "taxi_monitor_mongodb_up", "1 when MongoDB answered the monitor the last time, 0 when not."
)
MONITOR_MONGODB_MEMBERS: Final = computed(
    "taxi_monitor_mongodb_healthy_members",
    "Members of MongoDB's replica set that the monitor finds serving or voting.",
)
MONITOR_DATA_BYTES: Final = computed(
    "taxi_monitor_mongodb_data_bytes", "Bytes of the database with its indexes, on disk."
)
MONITOR_DISK_USED: Final = computed(
    "taxi_monitor_mongodb_disk_used_bytes",
    "Used bytes of the file system that MongoDB's data is on, as MongoDB says.",
)
MONITOR_DISK_SIZE: Final = computed(
    "taxi_monitor_mongodb_disk_size_bytes",
    "Bytes of the file system that MongoDB's data is on, as MongoDB says.",
)
MONITOR_LAST_BACKUP: Final = computed(
    "taxi_monitor_last_backup_timestamp_seconds", "When a backup was last finished."
)
MONITOR_MONGODB_KEPT: Final = computed(
    "taxi_monitor_mongodb_kept_timestamp_seconds",
    "When users, rights and indexes of the chart's MongoDB were last found as they should be.",
)

STORAGE_METRICS: Final[tuple[Metric, ...]] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Metric)
)
