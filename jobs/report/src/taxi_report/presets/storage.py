"""Snapshots as bytes: what a report keeps of Evidently's runs."""

import gzip
import json
import zlib
from typing import Final

from evidently.core.report import Snapshot

from taxi_domain.errors import TaxiError

#: Unpacked; a sample of 5,000 rows with 260 categories takes 1 MB.
MAX_BYTES: Final = 64 * 1024 * 1024


class SnapshotError(TaxiError):
    """Bytes that are no snapshot."""


def packed(snapshot: Snapshot) -> bytes:
    """Return a snapshot as gzip of Evidently's own JSON; the same snapshot, the same bytes."""
    return gzip.compress(snapshot.dumps().encode(), mtime=0)


def unpacked(data: bytes) -> Snapshot:
    """Read what `packed` wrote.

    Raises:
        SnapshotError: the bytes are damaged, too many, or of another version of Evidently.
    """
    try:
        unzipped = zlib.decompressobj(wbits=31)
        text = unzipped.decompress(data, MAX_BYTES)
        if not unzipped.eof:
            raise SnapshotError("snapshot: is cut off or too large; make the report again")
        return Snapshot.load_dict(json.loads(text))
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as error:
        # ValueError has those of pydantic and json.
        reason = " ".join(str(error).split())[:200]
        raise SnapshotError(
            f"snapshot: cannot be read ({reason}); make the report again"
        ) from error
