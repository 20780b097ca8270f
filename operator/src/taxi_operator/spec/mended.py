"""A spec that is put right, field by field, so that the rest of it can be looked at. Pure."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from taxi_domain.errors import FieldError
from taxi_operator.spec.bounds import MAX_SIGNALS
from taxi_operator.spec.shape import label_of

Document = dict[str, Any]

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_STAND_IN: Final = "stand-in"
#: Of no use without all of their fields; they are taken out whole.
_WHOLE: Final = ("forceTraffic", "minSamples", "freezeWindows")


class Mended:
    """A copy of a spec without what is wrong in it.

    Args:
        spec: What was found.

    Attributes:
        spec: What is left of it, with stand-ins for needed names that are missing.
        named: Signals that its rules name, as they were found.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec: Document = copy.deepcopy(dict(spec))
        self.named = frozenset(_names_in(self.spec.get("rules")))
        self._broken: set[str] = set()
        self._complete()

    def has(self, field: str) -> bool:
        """Tell whether nothing that is said of a field can come from what was taken out."""
        is_whole_signal = field.endswith("]")
        return not any(
            field == one
            or field.startswith(f"{one}.")
            or (one.startswith(f"{field}.") and not is_whole_signal)
            for one in self._broken
        )

    def mend(self, field: str) -> bool:
        """Take out a field, or what cannot be without it; return False when nothing changes."""
        steps = [name or label for name, label in _STEP.findall(field.removeprefix("spec"))]
        before = copy.deepcopy(self.spec)
        self._broken.add(field)
        match steps:
            case ["signals", *path]:
                self._mend_signals(path)
            case ["rules", str(name), *_]:
                self._mend_rule(name)
            case ["retrain" | "fallback" as name] if name not in self.spec:
                self._drop_rule(name)  # it needs what is missing
            case [*path] if path:
                _take_out(self.spec, path)
        self._complete()
        return self.spec != before

    def _complete(self) -> None:
        """Give needed names that are missing a stand-in."""
        target = _group_in(self.spec, "target")
        target.setdefault("deploymentName", _STAND_IN)
        target.setdefault("activeServiceName", _STAND_IN)
        if not isinstance(self.spec.get("signals"), list):
            self.spec["signals"] = []
        if "retrain" in self.spec:
            retrain = _group_in(self.spec, "retrain")
            _group_in(retrain, "jobFrom").setdefault("cronJobName", _STAND_IN)
        if "fallback" in self.spec:
            _group_in(self.spec, "fallback").setdefault("deploymentName", f"{_STAND_IN}-fallback")

    def _mend_signals(self, path: list[str]) -> None:
        known = [one for one in self.spec["signals"] if isinstance(one, dict) and "name" in one]
        if not path:  # too many, or two of one name
            kept = list({str(one["name"]): one for one in known}.values())[:MAX_SIGNALS]
        else:
            kept = [
                one
                for number, one in enumerate(known)
                if path[0] not in {label_of(one, number), str(number)}
                or _mend_signal(one, path[1:])
            ]
        gone = {str(one["name"]) for one in known} - {str(one["name"]) for one in kept}
        self._broken |= {f"spec.signals[{name}]" for name in gone}
        self.spec["signals"] = kept
        self._mend_rule("retrain")
        self._mend_rule("fallback")

    def _mend_rule(self, name: str) -> None:
        """Leave the groups of a rule that name signals which there are."""
        rules = _group_in(self.spec, "rules") if "rules" in self.spec else {}
        if name not in rules:
            return
        known = {one["name"] for one in self.spec["signals"] if isinstance(one.get("name"), str)}
        kept = [one for one in _groups_in(rules[name]) if known.issuperset(one)]
        if kept:
            rules[name] = {"anyOf": [{"allOf": one} for one in kept]}
        else:
            self._drop_rule(name)

    def _drop_rule(self, name: str) -> None:
        _group_in(self.spec, "rules").pop(name, None)
        # That there is no rule is no news then.
        self._broken |= {f"spec.rules.{name}", f"spec.{name}", "spec.rules"}


def _mend_signal(signal: Document, path: list[str]) -> bool:
    """Take out a field of a signal; return False when the signal cannot be without it."""
    if path[:1] in (["enter"], ["exit"]):
        group = signal.get(path[0])
        if path[1:] == [] or not isinstance(group, dict) or path[1] in {"op", "value"}:
            return False
        return group.pop(path[1], None) is not None
    if path[:1] in ([], ["name"]) or (path[0] == "promql" and "preset" not in signal):
        return False
    before = len(signal)
    _take_out(signal, path)
    return len(signal) < before or len(path) > 1


def _take_out(group: Document, path: list[str]) -> None:
    """Remove a field, or what of its parents there is, or has to be whole."""
    for step, below in zip(path, [*path[1:], ""], strict=True):
        found = group.get(step)
        if step in _WHOLE or not below or not isinstance(found, dict) or below not in found:
            group.pop(step, None)
            return
        group = found


def _group_in(document: Document, name: str) -> Document:
    found = document.get(name)
    if not isinstance(found, dict):
        found = document[name] = {}
    return found


def _groups_in(rule: object) -> list[list[str]]:
    """Return the groups of a rule that can be read."""
    groups = rule.get("anyOf") if isinstance(rule, dict) else None
    names = [
        one.get("allOf")
        for one in (groups if isinstance(groups, list) else [])
        if isinstance(one, dict)
    ]  # fmt: skip
    return [
        one
        for one in names
        if isinstance(one, list) and all(isinstance(name, str) for name in one)
    ]  # fmt: skip


def unknown_names(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield the rules that name signals which there are not."""
    signals, rules = spec.get("signals"), spec.get("rules")
    known = {
        one.get("name") for one in (signals if isinstance(signals, list) else [])
        if isinstance(one, Mapping)
    }  # fmt: skip
    for name, rule in rules.items() if isinstance(rules, Mapping) else ():
        unknown = {one for group in _groups_in(rule) for one in group} - known
        if unknown:
            yield FieldError(
                f"spec.rules.{name}", f"there is no signal {', '.join(sorted(unknown))}",
                "name signals of spec.signals",
            )  # fmt: skip


def _names_in(rules: object) -> Iterator[str]:
    for rule in rules.values() if isinstance(rules, dict) else ():
        for group in _groups_in(rule):
            yield from group
