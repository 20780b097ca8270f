"""Words of the model registry: versions, states, aliases, artifacts."""

from collections.abc import Mapping, Set
from enum import StrEnum
from typing import Final

MODEL_NAME: Final = "taxi-duration"
ARTIFACT_FORMAT_VERSION: Final = 3

#: Files inside of an artifact; the digest is taken over the sorted list of their sha256.
ONNX_FILE: Final = "model.onnx"
CARD_FILE: Final = "card.json"
SCHEMA_FILE: Final = "schema.json"
REFERENCE_FILE: Final = "reference.npz"
PROFILE_FILE: Final = "profile.npz"
ARTIFACT_FILES: Final = (
    ONNX_FILE, CARD_FILE, SCHEMA_FILE, REFERENCE_FILE, PROFILE_FILE,
)  # fmt: skip

VERSION_LENGTH: Final = 12


class ModelState(StrEnum):
    """Where a version is in its life."""

    CANDIDATE = "Candidate"
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    #: Chosen by the garbage collection; no alias may point at it any more.
    DELETING = "Deleting"


#: Which states a version may have before it gets one; the same state again changes nothing, and
#: nothing leads back from being deleted.
TRANSITIONS: Final[Mapping[ModelState, Set[ModelState]]] = {
    ModelState.CANDIDATE: frozenset(),
    ModelState.ACCEPTED: {ModelState.CANDIDATE, ModelState.REJECTED},
    ModelState.REJECTED: {ModelState.CANDIDATE, ModelState.ACCEPTED},
    ModelState.DELETING: {ModelState.CANDIDATE, ModelState.ACCEPTED, ModelState.REJECTED},
}


class Alias(StrEnum):
    """Names that point at one version, moved by compare-and-set."""

    CHAMPION = "champion"
    FALLBACK = "fallback"


def version_of(digest: str) -> str:
    """Version of an artifact: the first 12 hex digits of its digest.

    >>> version_of("sha256:" + "ab" * 32)
    'abababababab'
    """
    return digest.removeprefix("sha256:")[:VERSION_LENGTH]
