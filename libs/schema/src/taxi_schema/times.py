"""Event times: local times of the schema's zone."""

from datetime import datetime

from taxi_domain.errors import FieldError
from taxi_schema.target import EventTime


class LocalTimes:
    """Reads the event times of requests."""

    def __init__(self, time: EventTime) -> None:
        self._name = time.name
        self._zone = time.zone
        self._remedy = f"send {time.place} time as 2021-01-31T08:15:00, or with an offset"

    def parse(self, value: object) -> datetime | None:
        """Return the naive local time; None where the request has none.

        A time without an offset is local; one with an offset is converted.

        Raises:
            FieldError: it is no ISO 8601 date and time.
        """
        if value is None:
            return None
        if type(value) is str:
            try:
                moment = datetime.fromisoformat(value)
                return moment if moment.tzinfo is None else self._local(moment)
            except (ValueError, OverflowError):
                pass  # an offset can move a time beyond the years that there are
        raise FieldError(self._name, "is not a date and time", self._remedy)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None, fold=0)
