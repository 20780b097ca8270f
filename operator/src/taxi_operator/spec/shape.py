"""The fields that a spec can have; the resource's schema has the same. Pure.

`kubectl apply` refuses or drops what is not here, one thing at a time and only with a cluster; this
tells all of it at once and without. A test holds both to each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_operator.spec.freeze import DAYS
from taxi_operator.spec.orders import REQUESTS
from taxi_operator.spec.presets import PRESETS


class Leaf(StrEnum):
    """What a field without parts holds."""

    TEXT = "text"
    INTEGER = "whole number"


@dataclass(frozen=True, slots=True)
class Words:
    """A field with one of some words."""

    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Group:
    """An object with fields."""

    fields: Mapping[str, "Shape"]
    required: frozenset[str] = frozenset()


Shape = Leaf | Words | Items | Group

_TEXT, _INTEGER = Leaf.TEXT, Leaf.INTEGER
_CONDITION: Final = Group(
    {
        "op": Words(("Greater", "GreaterOrEqual", "Less", "LessOrEqual")),
        "value": _TEXT, "for": _TEXT,
    },
    frozenset({"op", "value"}),
)  # fmt: skip
_RULE: Final = Group(
    {"anyOf": Items(Group({"allOf": Items(_TEXT)}, frozenset({"allOf"})))}, frozenset({"anyOf"})
)
_SIGNAL: Final = Group(
    {
        "name": _TEXT, "preset": Words(tuple(PRESETS)), "promql": _TEXT, "freshnessPromql": _TEXT,
        "maxAgeSeconds": _INTEGER, "explainPromql": _TEXT, "enter": _CONDITION, "exit": _CONDITION,
        "minSamples": Group({"promql": _TEXT, "value": _INTEGER}, frozenset({"value"})),
        "onNoData": _TEXT,
    },
    frozenset({"name"}),
)  # fmt: skip
_RETRAIN: Final = Group(
    {
        "jobFrom": Group({"cronJobName": _TEXT}, frozenset({"cronJobName"})),
        "activeDeadlineSeconds": _INTEGER,
        "attempts": Group(
            {"max": _INTEGER, "initialBackoff": _TEXT, "factor": _INTEGER, "maxBackoff": _TEXT}
        ),
        "maxPerDay": _INTEGER,
        "pauseAfter": Group({"success": _TEXT, "failure": _TEXT}),
    },
    frozenset({"jobFrom"}),
)
_GATE: Final = Group(
    {
        "approval": Words(("None", "Required")),
        "maxVerdictAge": _TEXT,
        "champion": Group(
            {"minLabelledRows": _INTEGER, "minRelativeGain": _TEXT, "confidence": _TEXT}
        ),
    }
)
_FALLBACK: Final = Group(
    {
        "deploymentName": _TEXT, "minReady": _INTEGER, "restore": Words(("Automatic", "Manual")),
        "minDwell": _TEXT,
    },
    frozenset({"deploymentName"}),
)  # fmt: skip
_WINDOW: Final = Group(
    {
        "days": Items(Words(DAYS)), "from": _TEXT, "to": _TEXT, "timeZone": _TEXT,
        "start": _TEXT, "end": _TEXT,
    }
)  # fmt: skip
SPEC: Final = Group(
    {
        "mode": Words(("Enforce", "DryRun", "Suspend")),
        "modelName": _TEXT,
        "deletionPolicy": Words(("Restore", "Retain")),
        "target": Group(
            {"deploymentName": _TEXT, "activeServiceName": _TEXT},
            frozenset({"deploymentName", "activeServiceName"}),
        ),
        "prometheus": Group({"url": _TEXT, "timeoutSeconds": _INTEGER}),
        "evaluation": Group({"intervalSeconds": _INTEGER, "settleSeconds": _INTEGER}),
        "signals": Items(_SIGNAL),
        "rules": Group({"retrain": _RULE, "fallback": _RULE}),
        "retrain": _RETRAIN,
        **dict.fromkeys(REQUESTS.values(), _TEXT),
        "forceTraffic": Group(
            {"to": Words(("Champion", "Fallback")), "until": _TEXT, "reason": _TEXT},
            frozenset({"to", "until", "reason"}),
        ),
        "approvedCandidate": _TEXT,
        "freezeWindows": Items(_WINDOW),
        "gate": _GATE,
        "observation": Group({"for": _TEXT, "minLabelledRows": _INTEGER, "confidence": _TEXT}),
        "fallback": _FALLBACK,
    },
    frozenset({"target", "signals"}),
)


def misfits(found: Any, shape: Shape = SPEC, path: str = "spec") -> Iterator[FieldError]:
    """Yield what does not have the shape.

    Args:
        found: A spec, or a part of it.
        shape: What it should be.
        path: Its name, for the errors.
    """
    match shape:
        case Group():
            yield from _of_group(found, shape, path)
        case Items():
            yield from _of_items(found, shape, path)
        case Words():
            if found not in shape.known:
                remedy = f"give {_either(shape.known)}"
                yield FieldError(path, f"{found!r:.60} is not known", remedy)
        case Leaf():
            yield from _of_leaf(found, shape, path)


def incomplete_signals(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield what signals need that no preset brings them."""
    signals = spec.get("signals")
    if signals == []:
        yield FieldError("spec.signals", "is empty", "give one, as {name: error, preset: error}")
    for number, one in enumerate(signals if isinstance(signals, list) else ()):
        if not isinstance(one, Mapping) or "preset" in one:
            continue
        field = f"spec.signals[{label_of(one, number)}]"
        for name in ("promql", "enter", "exit"):
            if name not in one:
                yield FieldError(f"{field}.{name}", "is missing", "give it, or a preset")
        samples = one.get("minSamples")
        if isinstance(samples, Mapping) and "promql" not in samples:
            yield FieldError(f"{field}.minSamples.promql", "is missing", "give it, or a preset")


def _of_leaf(found: Any, shape: Leaf, path: str) -> Iterator[FieldError]:
    if shape is Leaf.TEXT and not isinstance(found, str):
        yield FieldError(path, f"{found!r:.60} is no text", "put it into quotes")
    elif shape is Leaf.INTEGER and (isinstance(found, bool) or not isinstance(found, int)):
        yield FieldError(path, f"{found!r:.60} is no whole number", "write it without quotes")


def _of_items(found: Any, shape: Items, path: str) -> Iterator[FieldError]:
    if not isinstance(found, list):
        yield FieldError(path, "is no list", "begin each of its entries with a dash")
        return
    for number, one in enumerate(found):
        yield from misfits(one, shape.of, f"{path}[{label_of(one, number)}]")


def _of_group(found: Any, shape: Group, path: str) -> Iterator[FieldError]:
    if not isinstance(found, Mapping):
        yield FieldError(path, "is no object", f"give {', '.join(shape.fields)}")
        return
    for name in sorted(shape.required - found.keys()):
        yield FieldError(f"{path}.{name}", "is missing", "it is needed")
    for name, value in found.items():
        known = shape.fields.get(name)
        if known is not None:
            yield from misfits(value, known, f"{path}.{name}")
            continue
        near = get_close_matches(str(name), shape.fields, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(shape.fields)}"
        yield FieldError(f"{path}.{name}", "is not known, and would have no effect", remedy)


def label_of(one: Any, number: int) -> str:
    """Return how an entry of a list is told: by its name where it has one."""
    name = one.get("name") if isinstance(one, Mapping) else None
    return name if isinstance(name, str) and name else str(number)


def _either(words: tuple[str, ...]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]
