"""All detectors by name."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

from peers.environments import pinned

from verdicts.arms.evidence import EvidenceArm
from verdicts.arms.interface import Arm
from verdicts.arms.remote import RemoteArm
from verdicts.arms.window import WindowArm

#: Name of the project's own verdict, and the one that it takes the place of.
ENGINE: Final = "engine"
WINDOW: Final = "window"
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
    arguments = ("-m", "peers.detector_worker", module, detector)
    return lambda _budget: RemoteArm(name, arguments, pins)


#: Makes each for a budget of rows between false alarms, where it has one.
ARMS: Final[Mapping[str, Callable[[int], Arm]]] = {
    ENGINE: lambda budget: EvidenceArm(ENGINE, budget),
    WINDOW: lambda _budget: WindowArm(),
    **{entry[0]: _remote(*entry) for entry in _REMOTE},
}


def peer_versions() -> dict[str, str]:
    """Return the versions of the libraries that detectors are of."""
    pins = {"nannyml": "detectors", "river": "detectors", "alibi-detect": "alibi"}
    return {"evidently": version("evidently")} | {
        package: pinned(package, of) for package, of in pins.items()
    }


#: Budgets that the sweep tries.
BUDGETS: Final = (20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)


def budgeted() -> list[Arm]:
    """Return the engine once for each budget of the sweep."""
    return [EvidenceArm(f"{ENGINE} {budget // 1000}k", budget) for budget in BUDGETS]


def make(name: str, budget: int) -> Arm:
    """Return a detector; `budget` is the number of rows between false alarms that is allowed."""
    return ARMS[name](budget)
