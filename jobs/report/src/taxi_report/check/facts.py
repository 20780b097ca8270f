"""What conditions are evaluated by: the data's profile beside the reference."""

from collections.abc import Mapping
from dataclasses import dataclass

from taxi_report.collect.reference import Known
from taxi_report.compare.drift import ColumnDrift, column_drift
from taxi_report.profile.version import VersionProfile, profile_of
from taxi_schema.columns.limits import Refused


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of the data beside the rows that are compared.

    Attributes:
        rows: All rows.
        refused_rows: Rows that a request could not send; None for rows of the log, which has no
            others.
        refused: These by column and reason; a row may be in several.
        nulls: Rows without a value, by column.
        doubled_ids: Rows whose id came before; None for rows of the log, where none can.
        examples: Some of these ids.
        without_id: Rows without an id.
    """

    rows: int
    refused_rows: int | None
    refused: Mapping[Refused, int]
    nulls: Mapping[str, int]
    doubled_ids: int | None
    examples: tuple[str, ...] = ()
    without_id: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that conditions are evaluated by.

    Attributes:
        known: The reference.
        expected: Profile of the reference's rows.
        current: Profile of the data.
        counted: What was counted beside it.
        drifts: Drift of every profiled column, by its name in the profile.
    """

    known: Known
    expected: VersionProfile
    current: VersionProfile
    counted: Counted
    drifts: Mapping[str, ColumnDrift]


def facts_of(known: Known, current: VersionProfile, counted: Counted) -> Facts:
    """Compare the data with the reference."""
    layout = known.layout
    expected = profile_of(known.rows, layout)
    return Facts(
        known,
        expected,
        current,
        counted,
        {
            column.name: column_drift(column, known.reference, current, expected, None)
            for column in (*layout.columns, layout.target)
        },
    )
