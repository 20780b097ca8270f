"""The terms of a run, as its Job remembers them: a status may be lost while it goes on. Pure."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from taxi_domain.kube import GROUP
from taxi_operator.spec.policy import Gate, Observation

#: On a retrain Job. Whoever may edit a policy cannot edit it, so an approval that was asked for
#: when the run began is asked for to its end.
TERMS_ANNOTATION: Final = f"{GROUP}/terms"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run began with.

    Attributes:
        gate: What its candidate has to show.
        observation: How its promotion is observed, None when it is not.
    """

    gate: Gate
    observation: Observation | None


def annotation_of(terms: Terms) -> str:
    """Return the text that a Job is annotated with."""
    gate, observation = terms.gate, terms.observation
    return json.dumps(
        {
            "gate": [
                gate.min_labelled_rows, gate.min_relative_gain, gate.confidence,
                gate.asks_for_approval, gate.max_verdict_age,
            ],
            "observation": observation and [
                observation.for_seconds, observation.min_labelled_rows, observation.confidence,
            ],
        }
    )  # fmt: skip


def terms_of(job: Mapping[str, Any]) -> Terms | None:
    """Read what a Job remembers; None for one of an older release, or one that a hand edited."""
    text = (job["metadata"].get("annotations") or {}).get(TERMS_ANNOTATION, "")
    try:
        found = json.loads(text)
        rows, gain, confidence, asks, age = found["gate"]
        gate = Gate(int(rows), str(gain), str(confidence), asks is True, float(age))
        observation = found["observation"]
        if observation is not None:
            seconds, least, sure = observation
            observation = Observation(int(seconds), int(least), str(sure))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    return Terms(gate, observation) if math.isfinite(gate.max_verdict_age) else None
