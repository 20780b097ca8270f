"""Makes the indexes and the audit of a MongoDB that is there already; one run of a Job.

Exit codes: 0 done, 1 MongoDB does not answer or refuses, 2 unusable settings.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from taxi_domain.errors import FieldError, NotAvailableError
from taxi_domain.logs import set_up
from taxi_store.admin.audit import ensure_audit
from taxi_store.admin.indexes import ensure_indexes
from taxi_store.admin.retention import Retention
from taxi_store.connection import connect, database_of

logger = logging.getLogger("taxi_store.admin.bootstrap_indexes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the indexes and say how it went."""
    parser = argparse.ArgumentParser(prog="taxi_store.admin.bootstrap_indexes", description=__doc__)
    parser.add_argument("--uri-file", type=Path, required=True, help="address with the user train")
    for name in ("predictions", "labels"):
        parser.add_argument(
            f"--{name}-days", type=int, required=True, help="days they stay; 0: for ever"
        )
    options = parser.parse_args(arguments)
    set_up()
    try:
        retention = Retention(options.predictions_days, options.labels_days)
        with connect(_uri(options.uri_file), app_name="taxi-indexes") as client:
            database = database_of(client)
            ensure_indexes(database, retention=retention)
            # Last: a user of before the audit may not make it, and the indexes are there then.
            ensure_audit(database)
    except FieldError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return 2
    except NotAvailableError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return 1
    logger.info("the indexes are made: %s", retention)
    return 0


def _uri(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FieldError(str(path), f"cannot be read ({error})", "mount the Secret") from error


if __name__ == "__main__":
    sys.exit(main())
