"""`taxi-monitor backfill`: today's rules of the evidence over the past log; its blocks are marked.

A running monitor notices with its next block, and goes on from what was judged here. Exit codes:
0 done, 1 MongoDB does not answer or nothing can be judged, 2 unusable settings or arguments.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pymongo.database import Database

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.logs import set_up
from taxi_domain.models import Alias
from taxi_domain.verdicts import BlockState, Side
from taxi_monitor.evidence.label_gate import policy_of
from taxi_monitor.evidence.log_order import LogOrder
from taxi_monitor.evidence.pursuit import Pursuit, Watch
from taxi_monitor.settings import Settings
from taxi_monitor.tailer.readers import reader_of
from taxi_profiles.evidence.calibration import NotCalibratedError, calibration_of
from taxi_runtime.settings import read
from taxi_store.connection import Document, connect, database_of
from taxi_store.log.malformed import Unreadable
from taxi_store.log.stored_order import Place
from taxi_store.registry.registry import Registry
from taxi_store.verdicts.block_verdict import BlockVerdict
from taxi_store.verdicts.verdicts import drop_behind

logger = logging.getLogger(__name__)

_TOLD_BLOCKS: Final = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="taxi-monitor", description="Commands of the monitor.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("backfill", help="judge the past log by today's rules")
    one.add_argument("--version", help="model version; the champion where it is not given")
    options = parser.parse_args(arguments)
    set_up()
    try:
        settings = read(Settings)
        with connect(settings.mongodb_uri, app_name="taxi-monitor-backfill") as client:
            database = database_of(client)
            blocks, alarms = backfill(database, settings, options.version, datetime.now(UTC))
    except FieldError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return 2
    except (TaxiError, NotCalibratedError) as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return 1
    logger.info("the past log is judged", extra={"blocks": blocks, "alarms": alarms})
    return 0


def backfill(
    database: Database[Document], settings: Settings, version: str | None, now: datetime
) -> tuple[int, int]:
    """Judge the log of a version from its beginning; return its blocks, and alarms among them.

    Raises:
        FieldError: there is no such version.
        NotCalibratedError: the version's reference gives no evidence.
        StoreUnavailableError: MongoDB does not answer.
    """
    registry = Registry(database)
    if version is None:
        champion = registry.alias(settings.model, Alias.CHAMPION)
        if champion is None:
            raise FieldError("--version", "is not given, and there is no champion", "give one")
        version = champion.version
    elif version not in registry.known(settings.model, [version]):
        raise FieldError("--version", f"{version} is not in the registry", "give one that is")
    reader = reader_of(registry, version)
    watch = Watch(
        settings.model, reader, calibration_of(reader.reference), None, settings.false_alarm_rows,
        policy_of(settings), _role_of(registry, settings.model, version),
    )  # fmt: skip
    pursuit = Pursuit(database, watch, LogOrder(database, reader, Unreadable()), now, anew=True)
    counted = {True: 0, False: 0}

    def judged(verdict: BlockVerdict, _after: Place | None) -> None:
        counted[verdict.state is BlockState.ALARM] += 1
        blocks = sum(counted.values())
        if blocks % _TOLD_BLOCKS == 0:
            logger.info("judging", extra={"blocks": blocks, "up_to": str(verdict.last_ts)})

    pursuit.judged = judged
    pursuit.step(now - timedelta(seconds=settings.settle_seconds), lambda: False)
    for side in Side:
        last = pursuit.verdict(side)
        # Evidence that once began anew, with another champion, had its blocks cut elsewhere.
        drop_behind(database, settings.model, version, side, -1 if last is None else last.block)
    return sum(counted.values()), counted[True]


def _role_of(registry: Registry, model: str, version: str) -> str:
    """Return the role that a version has now, empty for none."""
    found = ((alias, registry.alias(model, alias)) for alias in Alias)
    return next((alias for alias, one in found if one and one.version == version), "")


if __name__ == "__main__":
    sys.exit(main())
