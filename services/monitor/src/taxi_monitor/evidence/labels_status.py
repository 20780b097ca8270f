"""Whether the labels of the rows that were judged are there."""

from datetime import datetime, timedelta

from taxi_profiles.evidence.kinds import Labels


def labels_status(
    rows_first: datetime | None,
    rows_last: datetime | None,
    labels_last: datetime | None,
    overdue: timedelta,
) -> Labels:
    """Return what is known of labels, by the answer times of the last blocks.

    Args:
        rows_first: Of the first row of the last block of rows; None before there is one.
        rows_last: Of its last row.
        labels_last: Of the last row of the last block of labelled rows; before there is one, when
            labels could begin to come; None where that is not known.
        overdue: Labels that are later than that are missing.

    >>> day = timedelta(days=1)
    >>> noon = datetime(2021, 1, 5, 12)
    >>> [str(labels_status(noon, noon, last, day)) for last in (noon, noon - day, noon - 2 * day)]
    ['known', 'pending', 'overdue']
    """
    if rows_first is None or rows_last is None:
        return Labels.KNOWN if labels_last is not None else Labels.PENDING
    if labels_last is None:
        return Labels.PENDING
    if labels_last >= rows_first:
        return Labels.KNOWN
    return Labels.OVERDUE if rows_last - labels_last > overdue else Labels.PENDING
