"""The model that a command line names: an alias, a version, or an archive."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taxi_domain.errors import FieldError, TaxiError
from taxi_domain.models import VERSION_LENGTH, Alias
from taxi_predict.batch.settings import Settings
from taxi_predict.batch.store import store
from taxi_predict.serving.loaded_model import LoadedModel, loaded
from taxi_predict.serving.model_cache import fetch
from taxi_runtime.patience import patiently
from taxi_store.registry.artifacts import MAX_ARCHIVE_BYTES, unpack
from taxi_store.registry.registry import Registry

_OPTION: Final = "--model"
_ALIAS: Final = re.compile(rf"([A-Za-z0-9._-]+)@({'|'.join(Alias)})").fullmatch
_VERSION: Final = re.compile(rf"[0-9a-f]{{{VERSION_LENGTH}}}").fullmatch
_ARCHIVE: Final = ".tar"
#: Role of what no alias was named for.
CANDIDATE: Final = "candidate"


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """A model, and what records say of it.

    Attributes:
        model: Loaded as it is for serving.
        name: Of the model.
        role: The alias that was named, else `CANDIDATE`.
    """

    model: LoadedModel
    name: str
    role: str


def chosen_model(text: str, settings: Settings, patience: float) -> ChosenModel:
    """Load a model.

    Args:
        text: ``NAME@champion``, ``NAME@fallback``, a version, or the path of an archive.
        settings: Where the registry is.
        patience: How long it may be away, seconds.

    Raises:
        FieldError: `text` names no model.
        TaxiError: the model cannot be loaded.
    """
    if text.endswith(_ARCHIVE):
        return _of_archive(Path(text), settings)
    alias, version = _ALIAS(text), _VERSION(text)
    if not (alias or version):
        raise FieldError(
            _OPTION, f"{text!r} is no model",
            "give NAME@champion, NAME@fallback, a version of 12 hex digits or an archive .tar",
        )  # fmt: skip
    registry = Registry(store(settings))
    if alias:
        name, role = alias[1], Alias(alias[2])
        artifact = patiently(patience, lambda: fetch(registry, name, role))
        return ChosenModel(loaded(artifact), name, str(role))
    entry = patiently(patience, lambda: registry.get(text))
    artifact = patiently(patience, lambda: registry.load(text))
    return ChosenModel(loaded(artifact), entry.model, CANDIDATE)


def _of_archive(path: Path, settings: Settings) -> ChosenModel:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_ARCHIVE_BYTES + 1)
    except OSError as error:
        raise TaxiError(f"{path}: {error.strerror}; name an archive that was exported") from error
    return ChosenModel(loaded(unpack(data)), settings.model, CANDIDATE)
