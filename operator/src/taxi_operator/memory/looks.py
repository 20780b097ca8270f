"""How far the observation of a promoted candidate is, as a status remembers it. Pure."""

from dataclasses import dataclass, replace
from typing import Any, Final

from taxi_operator.memory.fields import Fields
from taxi_operator.spec.policy import Observation
from taxi_operator.times import text_of

Document = dict[str, Any]

#: A look lies ahead; no policy may let it be later, seconds.
_MAX_AHEAD: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Looks:
    """Where an observation is (times in seconds since the epoch).

    Attributes:
        since: End of the rollout: rows that were answered from then on are compared.
        at: When the look is due.
        number: Number of the look, from 1.
        job_name: Its Job, None before there is one.
    """

    since: float
    at: float
    number: int = 1
    job_name: str | None = None

    def next(self, at: float) -> "Looks":
        """Return the looks with another one."""
        return replace(self, at=at, number=self.number + 1, job_name=None)


def observation_of(found: Fields) -> tuple[Observation | None, Looks | None]:
    """Read what a run is to be observed by, and how far that is; None where it is not complete."""
    seconds, rows = found.integer("forSeconds"), found.integer("minLabelledRows")
    confidence = found.text("confidence")
    if not seconds or rows is None or confidence is None:
        return None, None
    settings = Observation(seconds, rows, confidence)
    since, at = found.time("since"), found.time("lookAt", ahead=_MAX_AHEAD)
    number = found.integer("look")
    if since is None or at is None or not number:
        return settings, None
    return settings, Looks(since, at, number, found.text("jobName"))


def observation_document(settings: Observation | None, looks: Looks | None) -> Document | None:
    """Return the form that is written."""
    if settings is None:
        return None
    parts: Document = {
        "forSeconds": settings.for_seconds, "minLabelledRows": settings.min_labelled_rows,
        "confidence": settings.confidence,
    }  # fmt: skip
    if looks is not None:
        parts |= {
            "since": text_of(looks.since), "look": looks.number, "lookAt": text_of(looks.at),
            "jobName": looks.job_name,
        }  # fmt: skip
    return {name: value for name, value in parts.items() if value is not None}
