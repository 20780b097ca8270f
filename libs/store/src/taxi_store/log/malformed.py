"""Documents of the log that cannot be read: left out, counted, and named once.

A log is read by other versions than those that wrote it, and by people's own programs; one
document that does not parse must not stop a reader of all the others.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.collection import Collection
from pymongo.database import Database

from taxi_domain.documents import record_of, stored_label_of
from taxi_domain.errors import FieldError
from taxi_domain.ids import check_stored_id
from taxi_domain.mongodb import LABELS, PREDICTIONS
from taxi_domain.records import Label, PredictionRecord
from taxi_store.connection import Document

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

#: A time or text that Python cannot hold makes its document unreadable, not the whole answer.
LENIENT: Final = CodecOptions[dict[str, Any]](
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
#: Documents that are remembered, so that looking again does not count again.
_MAX_REMEMBERED: Final = 10_000


class Unreadable:
    """What one reader of the log could not read; safe for several threads.

    Args:
        counted: Called with the collection and the field at fault, once for each document.
    """

    def __init__(self, counted: Callable[[str, str], None] = lambda _collection, _field: None):
        self._counted = counted
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()
        #: Documents so far.
        self.count = 0

    def add(self, collection: str, document_id: object, error: FieldError) -> None:
        """Count a document and name it in the log, the first time."""
        key = (collection, repr(document_id)[:100])
        with self._lock:
            if key in self._known:
                return
            self._known[key] = None
            if len(self._known) > _MAX_REMEMBERED:
                self._known.popitem(last=False)
            self.count += 1
        self._counted(collection, error.field)
        logger.warning(
            "a document of the log cannot be read and is left out",
            extra={"collection": collection, "document": key[1], "reason": str(error)},
        )

    def records(self, documents: Iterable[Document]) -> Iterator[PredictionRecord]:
        """Yield the records that can be read."""
        return self.each(PREDICTIONS, documents, record_of)

    def labels(self, documents: Iterable[Document]) -> Iterator[Label]:
        """Yield the labels that can be read."""
        return self.each(LABELS, documents, stored_label_of)

    def named(
        self, documents: Iterable[Document], collection: str = PREDICTIONS
    ) -> Iterator[Document]:
        """Yield the documents of a collection whose id is a row's."""

        def same(document: Document) -> Document:
            check_stored_id(document["_id"], "_id")
            return document

        return self.each(collection, documents, same)

    def each(
        self, collection: str, documents: Iterable[Document], read: Callable[[Document], Item]
    ) -> Iterator[Item]:
        """Yield what is made of each document of a collection; those that raise are left out."""
        for document in documents:
            try:
                item = read(document)
            except FieldError as error:
                self.add(collection, document.get("_id"), error)
            else:
                yield item


def lenient(database: Database[Document], collection: str) -> Collection[Document]:
    """Return a collection whose documents are decoded whatever is in them."""
    return database.get_collection(collection, codec_options=LENIENT)
