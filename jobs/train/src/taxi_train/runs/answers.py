"""What a model answers to rows of the log."""

import numpy as np
from numpy.typing import NDArray

from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.onnx_model import model_of
from taxi_train.data.rows import features_of
from taxi_train.data.views import Views


def answers_of(artifact: Artifact, views: Views) -> NDArray[np.float64]:
    """Return a model's answers, shape (n,), in the target's unit.

    Raises:
        GraphError: its graph cannot be used, or fails.
    """
    model = model_of(artifact)
    rows = views.of(model.schema)
    return model.predict(features_of(model.schema, rows)) if len(rows) else np.empty(0)
