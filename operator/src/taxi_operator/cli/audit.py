"""What people ask of policies, in the audit."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from taxi_domain.errors import NotAvailableError
from taxi_operator.settings import ToolSettings
from taxi_runtime.process import user_of
from taxi_store.admin.audit import Action, AuditEntry, Stage
from taxi_store.admin.audit_async import AsyncAudit
from taxi_store.connection import async_database_of, connect_async

logger = logging.getLogger(__name__)


async def note_change(
    settings: ToolSettings, changed: Mapping[str, Any], before: Mapping[str, Any]
) -> None:
    """Note a change of a policy that was made: it is there, so nothing here fails it.

    Args:
        settings: Of the command; without an address of MongoDB nothing is noted.
        changed: The policy as it is now.
        before: The fields that were changed, as they were.
    """
    if not settings.mongodb_uri:
        return
    entry = AuditEntry(
        datetime.now(UTC), Action.CHANGE_POLICY, Stage.DONE, user_of(""), "taxi-policy",
        {"policy": changed["metadata"]["name"], "namespace": changed["metadata"]["namespace"]},
        before=before, after={name: changed["spec"].get(name) for name in before},
    )  # fmt: skip
    client = connect_async(settings.mongodb_uri, app_name="taxi-policy")
    try:
        await AsyncAudit(async_database_of(client)).record(entry)
    except NotAvailableError as error:
        logger.warning("audit: is not written (%s); give the rights of docs/chart.md", error)
    finally:
        await client.close()
