"""Where the pod's model comes from: the registry, once, and then the pod's own disk.

The first process that loads writes the version down; the others of the pod and their
successors use the same one, also while MongoDB is away. A promotion starts new pods.
"""

import fcntl
import json
import logging
import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from taxi_domain.errors import NotAvailableError, TaxiError
from taxi_domain.models import Alias
from taxi_predict.serving.loaded_model import LoadedModel, loaded
from taxi_store.registry.artifacts import Artifact, ArtifactError, pack, unpack
from taxi_store.registry.registry import Registry

logger = logging.getLogger(__name__)

_POLL_SECONDS: Final = (0.5, 1.5)


def fetch(registry: Registry, model: str, alias: Alias) -> Artifact:
    """Return the artifact that an alias points at.

    Raises:
        NotAvailableError: the alias does not exist yet, or MongoDB does not answer.
    """
    entry = registry.alias(model, alias)
    if entry is None:
        raise NotAvailableError(f"model {model} has no {alias} yet; the first model's Job makes it")
    return registry.load(entry.version)


class ModelCache:
    """The pod's copy of its model."""

    def __init__(self, folder: Path) -> None:
        self._archive = folder / "model.tar"
        self._pin = folder / "model.json"
        self._lock = folder / "model.lock"

    def read(self) -> Artifact | None:
        """Return the pinned artifact, None when there is none or it is damaged."""
        try:
            digest = json.loads(self._pin.read_text())["digest"]
            return unpack(self._archive.read_bytes(), expected_digest=digest)
        except FileNotFoundError:
            return None
        except (ArtifactError, ValueError, KeyError, TypeError, OSError) as error:
            logger.warning("cached model is not used", extra={"reason": str(error)})
            return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the pod's other processes out, so that all get one version.

        Raises:
            NotAvailableError: one of them is in; waiting here would keep requests waiting too.
        """
        with self._lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise NotAvailableError("another process of this pod fetches the model") from error
            yield

    def write(self, artifact: Artifact) -> None:
        """Keep an artifact; a crash leaves the old one or none."""
        _replace(self._archive, pack(artifact.files))
        _replace(self._pin, json.dumps({"digest": artifact.digest}).encode())

    def forget(self) -> None:
        """Let the next look find no copy."""
        self._pin.unlink(missing_ok=True)


Begin = Callable[[LoadedModel], None]


class ModelHolder:
    """The model of this process, and why there is none yet."""

    def __init__(self) -> None:
        self.current: LoadedModel | None = None
        self.problem = "the model is being loaded"

    def load(self, source: Callable[[], Artifact], cache: ModelCache, begin: Begin) -> None:
        """Load the pod's copy at once; without one, in a thread, until it worked.

        A worker that takes another's place thus answers its first request.

        Args:
            source: Fetches the artifact.
            cache: The pod's copy.
            begin: Called with the model before it answers; again when it raised.
        """
        artifact = cache.read()
        if artifact is not None:
            try:
                self._use(artifact, begin)
            except (TaxiError, OSError) as error:
                self._fail(error)
        if self.current is None:
            threading.Thread(
                target=self._fetch, args=(source, cache, begin), name="model-loader", daemon=True
            ).start()

    def _fetch(self, source: Callable[[], Artifact], cache: ModelCache, begin: Begin) -> None:
        pause = threading.Event()
        while self.current is None:
            try:
                with cache.alone():
                    artifact = cache.read()
                    if artifact is None:
                        artifact = source()
                        cache.write(artifact)
                try:
                    self._use(artifact, begin)
                except TaxiError:
                    # One that cannot be used must not keep the next one out. A full disk is no
                    # fault of the model: it stays, perhaps the only copy that can be reached.
                    cache.forget()
                    raise
            except Exception as error:
                # Whatever it was: a thread that ends here would leave the pod without a model.
                self._fail(error)
            if self.current is None:
                pause.wait(random.uniform(*_POLL_SECONDS))

    def _use(self, artifact: Artifact, begin: Begin) -> None:
        model = loaded(artifact)
        begin(model)
        logger.info("model is loaded", extra={"version": model.version})
        self.current = model

    def _fail(self, error: Exception) -> None:
        expected = isinstance(error, TaxiError | OSError)
        if self.problem != str(error):
            logger.warning("no model yet", extra={"reason": str(error)}, exc_info=not expected)
        self.problem = str(error)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    os.replace(temporary, path)  # noqa: PTH105 - the atomic one
