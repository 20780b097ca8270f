"""When MongoDB's users, rights and indexes were last found to be as the Secrets and values say.

It stands in the data of the monitor's user, which that user may read and nobody but root may write:
the one who keeps them cannot tell of it where it is locked out, and a time that grows old tells all
the same.
"""

from datetime import datetime, timedelta
from typing import Final

from pymongo.database import Database

from taxi_store.connection import Document, translated

#: The component whose user carries it.
WATCHED: Final = "monitor"
NOTE_EVERY: Final = timedelta(minutes=1)
_FIELD: Final = "kept_at"


def note(database: Database[Document], username: str, now: datetime) -> None:
    """Note that all is as it should be; as root.

    Raises:
        PyMongoError: the server does not answer, or refuses.
    """
    database.command("updateUser", username, customData={_FIELD: now})


def last_kept(database: Database[Document]) -> datetime | None:
    """Return when that was last noted; None where nobody does, as in a MongoDB that is not ours.

    Raises:
        StoreUnavailableError: MongoDB does not answer, or refuses.
    """
    with translated():
        status = database.command("connectionStatus")["authInfo"]["authenticatedUsers"]
        if not status:
            return None
        own = {"user": status[0]["user"], "db": status[0]["db"]}
        users = database.client[own["db"]].command("usersInfo", own)["users"]
    noted = users[0].get("customData", {}).get(_FIELD) if users else None
    return noted if isinstance(noted, datetime) else None
