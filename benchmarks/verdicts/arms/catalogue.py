"""All detectors by name."""

from collections.abc import Callable, Mapping
from typing import Final

from verdicts.arms.evidence import EvidenceArm
from verdicts.arms.interface import Arm
from verdicts.arms.remote import RemoteArm
from verdicts.arms.window import WindowArm

#: Name, module of `benchmarks/peers`, its class, and the environment; the project has Evidently.
_REMOTE: Final = (
    ("evidently-any", "evidently_detectors", "AnyColumn", ""),
    ("evidently-share", "evidently_detectors", "Dataset", ""),
    ("nannyml-columns", "nannyml_detectors", "Columns", "detectors"),
    ("nannyml-error", "nannyml_detectors", "Error", "detectors"),
    ("nannyml-dle", "nannyml_detectors", "EstimatedError", "detectors"),
    ("alibi-tabular", "alibi_detectors", "Tabular", "alibi"),
    ("adwin-error", "river_detectors", "AdwinError", "detectors"),
    ("adwin-columns", "river_detectors", "AdwinColumns", "detectors"),
    ("page-hinkley-error", "river_detectors", "PageHinkleyError", "detectors"),
    ("page-hinkley-columns", "river_detectors", "PageHinkleyColumns", "detectors"),
)


def _remote(name: str, module: str, detector: str, pins: str) -> Callable[[int], Arm]:
    return lambda _budget: RemoteArm(name, module, detector, pins)


#: Makes each for a budget of rows between false alarms, where it has one.
ARMS: Final[Mapping[str, Callable[[int], Arm]]] = {
    "engine": lambda budget: EvidenceArm("engine", budget),
    "window": lambda _budget: WindowArm(),
    **{entry[0]: _remote(*entry) for entry in _REMOTE},
}


def make(name: str, budget: int) -> Arm:
    """Return a detector; `budget` is the number of rows between false alarms that is allowed."""
    return ARMS[name](budget)
