"""Process entry of the delivery: `python -m taxi_predict.delivery.main`, started by the server.

With `--drain` it delivers what waits and ends.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import values

from taxi_predict.counter_files import CounterFiles
from taxi_predict.delivery.loop import DeliveryLoop
from taxi_predict.delivery.refusals import RefusalSlots
from taxi_predict.delivery.shipper import Scorer, Shipper
from taxi_predict.delivery.sinks import MongoLog, Monitor
from taxi_predict.identity import IDENTITY
from taxi_predict.metrics import Metrics
from taxi_predict.settings import Settings, metrics_folder
from taxi_predict.spool.reader import SpoolReader
from taxi_runtime.process import run_service
from taxi_runtime.tokens import TokenFiles
from taxi_runtime.tracing import traces_of
from taxi_store.log.refusals import Refusals, write_slot
from taxi_store.rotated_database import RotatedDatabase

if TYPE_CHECKING:
    from taxi_runtime.traces import Traces

#: Beside requests that take the whole core, about a tenth of it (weights 110 and 1024,
#: https://docs.kernel.org/scheduler/sched-nice-design.html).
_NICE: Final = 10
#: The one for records, or the one for all that older Secrets have.
_TOKEN_FILES: Final = ("ingest", "token")


def run(settings: Settings) -> None:
    """Deliver until told to stop, or what waits."""
    os.nice(_NICE)
    traces = traces_of(settings)
    loop = DeliveryLoop(_shipper(settings, traces), settings.heartbeat_file)

    def stop(_number: int, _frame: Any) -> None:
        loop.stop()

    # gunicorn's quick end (SIGQUIT, SIGINT) is meant for the workers.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, stop)
    if "--drain" in sys.argv[1:]:
        loop.stop()
    loop.run(settings.drain_seconds)
    if traces is not None:
        traces.stop()


def _token(settings: Settings) -> Callable[[], str]:
    """Return what tells the token for the monitor; empty is none."""
    if settings.monitor_token or settings.monitor_tokens is None:
        return lambda: settings.monitor_token
    files = TokenFiles(settings.monitor_tokens, _TOKEN_FILES)
    return lambda: next((one[0] for one in files.tokens().values() if one), "")


def _shipper(settings: Settings, traces: "Traces | None") -> Shipper:
    store = RotatedDatabase(settings.mongodb_address, app_name="taxi-predict-delivery")
    make: Callable[..., Shipper] = Shipper
    headers: Callable[[], dict[str, str]] = dict
    if traces is not None:
        from taxi_predict.delivery.traced_shipper import TracedShipper
        from taxi_runtime import traces as of_runtime

        make, headers = partial(TracedShipper, traces), of_runtime.headers
    listener = Monitor(settings.monitor_url, _token(settings), headers)
    values.ValueClass = values.MultiProcessValue(lambda: IDENTITY)  # type: ignore[no-untyped-call]
    metrics = Metrics()
    scorer: Scorer | None = None
    if settings.shadow_alias:
        # Only fallback and candidate pods pay for a second model.
        from taxi_predict.delivery.shadow import ShadowScorer

        scorer = ShadowScorer(store, settings.model, settings.shadow_alias, metrics)

    def write(slot: str, version: str, at: datetime, refused: Refusals) -> None:
        store.use(lambda database: write_slot(database, slot, version, at, refused))

    refusals = RefusalSlots(CounterFiles(metrics_folder()).collect, write, socket.gethostname())
    return make(
        SpoolReader(settings.spool_dir), MongoLog(store),
        listener if settings.monitor_url else None, scorer, metrics, refusals=refusals,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_service(Settings, run))
