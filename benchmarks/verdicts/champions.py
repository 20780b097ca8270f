"""Champions of references, trained as the train Job trains, kept between runs."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from streams import ROOT, answers

from taxi_cluster.cache import cache_folder, exclusive
from taxi_domain.models import ONNX_FILE, PROFILE_FILE
from taxi_profiles.reference import Reference
from taxi_schema.columns.rows import LabelledRows, to_bytes
from taxi_schema.schema import Schema
from taxi_store.registry.artifacts import Artifact, pack, unpack
from taxi_train.artifact.builder import after_champion, artifact, reference_rows
from taxi_train.fitting.candidates import Trainer
from verdicts.traffic import Traffic

Floats = NDArray[np.float64]

#: What changes a fit (the code of an artifact changes more often), and what an artifact.
_TRAIN = "jobs/train/src/taxi_train"
_FITTING = (f"{_TRAIN}/fitting", f"{_TRAIN}/data", "libs/schema/src")
_BUILDING = (f"{_TRAIN}/artifact", "libs/profiles/src")
_LIBRARIES = ("numpy", "scikit-learn", "skl2onnx")


@dataclass(frozen=True)
class Champion:
    """A trained model and what it was trained on.

    Attributes:
        schema: Of its rows.
        artifact: As the registry has it.
        rows: Its reference, in the order of time, with out-of-fold predictions.
        reference: Its summarised reference.
    """

    schema: Schema
    artifact: Artifact
    rows: LabelledRows
    reference: Reference

    def answering(self, traffic: Traffic) -> Traffic:
        """Return the traffic with the answers to served rows; refused rows get none."""
        served = traffic.refused == ""
        prediction = np.full(len(traffic), np.nan)
        prediction[served] = answers(self.artifact, traffic.rows[served])
        return replace(traffic, rows=traffic.rows.predicted(prediction))


def champion_of(
    schema: Schema, rows: LabelledRows, predecessor: LabelledRows | None = None
) -> Champion:
    """Train on rows, or read what an earlier run trained on them with the same code.

    Args:
        schema: Of the rows.
        rows: Within its limits.
        predecessor: Rows of the champion before, of which a short reference borrows.
    """
    with exclusive("bench-verdict"):
        model = _artifact_of(schema, rows)
        if predecessor is not None:
            before = _artifact_of(schema, predecessor)
            key = _key(f"{model.digest} {before.digest}".encode(), schema, _BUILDING)
            model = _kept(f"after-{key}", lambda: after_champion(schema, model, before))
    return champion_from(schema, model)


def _artifact_of(schema: Schema, rows: LabelledRows) -> Artifact:
    fitted_key = _key(to_bytes(rows), schema, _FITTING)
    fitted = _kept(f"fit-{fitted_key}", lambda: Trainer(schema).train(rows))

    def built() -> Artifact:
        graph, kept = fitted.files[ONNX_FILE], reference_rows(schema, fitted)
        return artifact(schema, str(fitted.card["kind"]), graph, kept)

    built_key = _key(fitted_key.encode(), schema, _BUILDING)
    return _kept(f"artifact-{built_key}", built)


def champion_from(schema: Schema, model: Artifact) -> Champion:
    """Return the champion of an artifact."""
    reference = Reference.from_bytes(model.files[PROFILE_FILE])
    return Champion(schema, model, reference_rows(schema, model), reference)


def _kept(name: str, make: Callable[[], Artifact]) -> Artifact:
    folder = cache_folder() / "bench-verdict"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.tar"
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(pack(make().files))
        part.replace(path)
    return unpack(path.read_bytes())


def _key(data: bytes, schema: Schema, sources: tuple[str, ...]) -> str:
    digest = hashlib.sha256(schema.digest.encode())
    digest.update(data)
    for path in sorted(file for name in sources for file in (ROOT / name).rglob("*.py")):
        digest.update(path.read_bytes())
    digest.update(" ".join(version(name) for name in _LIBRARIES).encode())
    return digest.hexdigest()[:16]
