"""A notice: one JSON document for each decision, and for what became of it. Pure."""

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.models import MODEL_NAME
from taxi_operator.memory.notices import Occasion, due_of
from taxi_operator.times import seconds_since_epoch, text_of

Document = dict[str, Any]

#: Of the document; a field that is new changes nothing about it.
DOCUMENT_VERSION: Final = 1
ID_HEADER: Final = "Taxi-Webhook-Id"
SIGNATURE_HEADER: Final = "Taxi-Webhook-Signature"
_OF_DECISION: Final = ("number", "action", "because", "at", "reportURL")
_NUMBERS: Final = ("gain", "seconds")


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told of a decision, the same at every try.

    Attributes:
        identity: The same at every try, also of another process.
        occasion: What it tells.
        namespace: Where the policy is.
        policy: Its name.
        model: Its model.
        mode: Its mode, as it was when the notice became due.
        entry: The decision, as the history has it.
        since: When what it tells happened, seconds since the epoch.
    """

    identity: str
    occasion: Occasion
    namespace: str
    policy: str
    model: str
    mode: str
    entry: Mapping[str, Any]
    since: float


def notice_of(found: Mapping[str, Any], entry: Mapping[str, Any]) -> Notice | None:
    """Return the notice of a policy's decision that is due, None when none is."""
    occasion, metadata, spec = due_of(entry), found["metadata"], found.get("spec") or {}
    if occasion is None:
        return None
    at = entry.get("at") if occasion is Occasion.DECIDED else entry.get("endedAt")
    return Notice(
        identity=identity_of(metadata["uid"], entry, occasion), occasion=occasion,
        namespace=metadata.get("namespace", ""), policy=metadata["name"],
        model=str(spec.get("modelName", MODEL_NAME)), mode=str(spec.get("mode", "Enforce")),
        entry=entry, since=seconds_since_epoch(at) or 0.0,
    )  # fmt: skip


def identity_of(uid: str, entry: Mapping[str, Any], occasion: Occasion) -> str:
    """Return the id of a notice: policy, decision, its second, and what is told of it.

    Numbers alone are no identity: after a status was lost they begin anew.

    >>> entry = {"number": 7, "at": "2026-01-02T03:04:05Z"}
    >>> identity_of("0a1b2c3d", entry, Occasion.DECIDED)
    '0a1b2c3d-0007-20260102T030405Z-decided'
    """
    at = str(entry.get("at", "")).replace("-", "").replace(":", "")
    return f"{uid}-{entry['number']:04d}-{at}-{occasion}"


def body_of(notice: Notice, cluster: str, now: float) -> bytes:
    """Return the document of a try.

    Args:
        notice: What is told.
        cluster: Name of the cluster.
        now: Time of the try, seconds since the epoch.
    """
    entry = notice.entry
    decision = {name: entry[name] for name in _OF_DECISION if name in entry}
    document: Document = {
        "version": DOCUMENT_VERSION, "id": notice.identity, "event": str(notice.occasion),
        "cluster": cluster, "namespace": notice.namespace, "policy": notice.policy,
        "model": notice.model, "mode": notice.mode, "decision": decision,
        "sentAt": text_of(now),
    }  # fmt: skip
    if notice.occasion is Occasion.ENDED:
        document["outcome"] = _outcome(entry)
    elif "outcome" not in entry and "message" in entry:
        # Later the message is that of the end.
        decision["message"] = entry["message"]
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(notice: Notice, body: bytes, key: bytes, now: float) -> dict[str, str]:
    """Return the headers of a try: its id, and a signature over the time and the body.

    The form of the signature is Stripe's: `t=` seconds since the epoch, `v1=` hexadecimal
    HMAC-SHA256 of that number, a dot and the body.
    """
    seconds = int(now)
    return {
        "Content-Type": "application/json",
        ID_HEADER: notice.identity,
        SIGNATURE_HEADER: f"t={seconds},v1={_digest(key, seconds, body)}",
    }


def _digest(key: bytes, seconds: int, body: bytes) -> str:
    return hmac.new(key, b"%d.%s" % (seconds, body), hashlib.sha256).hexdigest()


def _outcome(entry: Mapping[str, Any]) -> Document:
    told: Document = {"result": entry["outcome"]}
    told |= {name: entry[name] for name in ("endedAt", "candidate", "message") if name in entry}
    for name in _NUMBERS:
        # Texts in a status, since no resource should have fractions; a hand may have been there.
        number = _number(entry.get(name))
        if number is not None:
            told[name] = number
    return told


def _number(text: object) -> float | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
