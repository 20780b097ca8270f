"""Parts of a day: Parquet files of bounded size, the same bytes for the same rows."""

import hashlib
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from taxi_report.destination import Destination
from taxi_report.export.layout import part_name
from taxi_report.export.manifest import File

#: A part ends with the row group that makes it as large; a part is made in memory and put as one.
PART_BYTES: Final = 32 * 1024 * 1024


class Parts:
    """The files of one version and day, written as rows come.

    Args:
        destination: Where they go.
        folder: Of the version and day.
        schema: Of the rows.
        part_bytes: Size from which on a part ends.
    """

    def __init__(
        self, destination: Destination, folder: str, schema: pa.Schema, part_bytes: int = PART_BYTES
    ) -> None:
        self._destination = destination
        self._folder = folder
        self._schema = schema
        self._part_bytes = part_bytes
        self._open()
        #: What was written so far.
        self.files: list[File] = []

    def add(self, table: pa.Table) -> None:
        """Add rows as one row group.

        Raises:
            DestinationError: a part cannot be written.
        """
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._rows += table.num_rows
        if self._sink.tell() >= self._part_bytes:
            self.end()
            self._open()

    def end(self) -> None:
        """Write what is left.

        Raises:
            DestinationError: it cannot be written.
        """
        self._writer.close()
        if not self._rows:
            return
        data = self._sink.getvalue().to_pybytes()
        name = part_name(self._folder, len(self.files))
        self._destination.write(name, data)
        digest = hashlib.sha256(data).hexdigest()
        self.files.append(File(name, digest, len(data), self._rows))

    def _open(self) -> None:
        self._rows = 0
        self._sink = pa.BufferOutputStream()
        # Whatever the defaults become: options decide the bytes.
        self._writer = pq.ParquetWriter(
            self._sink, self._schema, version="2.6", compression="zstd", compression_level=3,
            data_page_version="1.0", use_dictionary=True, write_statistics=True,
        )  # fmt: skip
