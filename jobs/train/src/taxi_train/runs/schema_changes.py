"""What the schema of a version means for clients of what serves, and for the fallback."""

from typing import Final

from taxi_schema.compatibility import changes, newly_refused
from taxi_schema.schema import Schema

#: How a fallback of another schema is made and takes its place; the new version follows then.
NEW_FALLBACK: Final = (
    "`taxi-train fit --schema FILE --data FILE --out DIR` with its schema, "
    "`taxi-models import DIR/fallback.tar`, `taxi-models promote VERSION --alias fallback --force`"
)


def client_changes(champion: Schema | None, new: Schema) -> tuple[str, ...]:
    """Say what clients of the champion would notice, as sentences; empty when nothing.

    Args:
        champion: None when there is none that can be read: it has no clients then.
        new: Of the version that would answer them.
    """
    if champion is None or not (changed := changes(champion, new)):
        return ()
    return (f"the schema is not compatible with the champion's: {'; '.join(changed)}",)


def fallback_changes(
    champion: Schema | None, new: Schema, fallback: Schema | None, version: str
) -> tuple[str, ...]:
    """Say what rows of a new champion the fallback would refuse, as sentences; empty when none.

    Args:
        champion: Of now; what the fallback refuses already is not said again.
        new: Of the new champion.
        fallback: None when there is none that can be read.
        version: Of the fallback.
    """
    if fallback is None or not (refused := newly_refused(champion, new, fallback)):
        return ()
    return (
        f"the fallback {version} would refuse rows that suit this version (there, "
        f"{'; '.join(refused)}); make a new fallback first: {NEW_FALLBACK}",
    )
