"""What people ask a policy for by hand. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_operator.spec.freeze import moment

Spec = Mapping[str, Any]

#: Fields of a spec by the word that a status has for each. A new text asks once.
RETRAIN, ABORT, ROLLBACK = "retrain", "abort", "rollback"
REQUESTS: Final[Mapping[str, str]] = {
    RETRAIN: "retrainRequest", ABORT: "abortRequest", ROLLBACK: "rollbackRequest",
}  # fmt: skip
MAX_REQUEST: Final = 64
MAX_REASON: Final = 300
#: Traffic that is forced for longer is a change of the policy, seconds. The resource's schema
#: cannot hold this: its rules know no time.
MAX_FORCE: Final = 30 * 86_400.0
_CHAMPION: Final = "Champion"
_FALLBACK: Final = "Fallback"


@dataclass(frozen=True, slots=True)
class Force:
    """Traffic that is set by hand for a while, whatever the rules say.

    Attributes:
        to_fallback: Where it goes: the fallback, or the champion.
        until: When the rules decide again, seconds since the epoch.
        reason: For people.
    """

    to_fallback: bool
    until: float
    reason: str

    def holds(self, now: float) -> bool:
        """Tell whether the traffic goes there now: not yet where the end lies too far ahead."""
        return now < self.until <= now + MAX_FORCE

    def problem(self, now: float) -> FieldError | None:
        """Return what is wrong with it, None when nothing is."""
        if self.until <= now + MAX_FORCE:
            return None
        return FieldError(
            "spec.forceTraffic.until",
            f"is more than {MAX_FORCE / 86_400:.0f} days ahead, and is not followed",
            "give an earlier time, or edit rules and mode",
        )


def requests_of(spec: Spec) -> Mapping[str, str]:
    """Return what is asked for, by the word for it; empty texts where nothing is.

    Raises:
        FieldError: a request is no text, or too long.
    """
    found = {}
    for word, field in REQUESTS.items():
        text = spec.get(field, "")
        if not isinstance(text, str) or len(text) > MAX_REQUEST:
            raise FieldError(
                f"spec.{field}", "is no text that can be remembered",
                f"give at most {MAX_REQUEST} characters, another for each request",
            )  # fmt: skip
        found[word] = text
    return found


def force_of(found: Spec | None) -> Force | None:
    """Read where the traffic is forced to.

    Raises:
        FieldError: names what cannot be used.
    """
    if found is None:
        return None
    to = found["to"]
    if to not in {_CHAMPION, _FALLBACK}:
        raise FieldError("spec.forceTraffic.to", "is neither", f"give {_CHAMPION} or {_FALLBACK}")
    reason = str(found.get("reason", ""))[:MAX_REASON]
    return Force(to == _FALLBACK, moment(found["until"], "spec.forceTraffic.until"), reason)
