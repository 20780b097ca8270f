"""Training code of one's own: a module that is named by a setting."""

import importlib
from collections.abc import Mapping

from taxi_domain.errors import TaxiError
from taxi_schema.schema import Schema
from taxi_train.fitting.estimators import Candidates, Estimator, default_candidates


class OwnCodeError(TaxiError):
    """The module cannot be used; the text names it and the remedy."""


def candidates_of(module: str) -> Candidates:
    """Return ``candidates(schema)`` of a module, the default where none is named.

    Raises:
        OwnCodeError: there is no such module, or it has no such function.
    """
    if not module:
        return default_candidates
    try:
        function = getattr(importlib.import_module(module), "candidates", None)
    except ImportError as error:
        raise OwnCodeError(
            f"TAXI_TRAIN_CANDIDATES: {module} cannot be imported ({error}); put it on PYTHONPATH"
        ) from error
    if not callable(function):
        raise OwnCodeError(
            f"TAXI_TRAIN_CANDIDATES: {module} has no candidates(schema); add the function"
        )

    def candidates(schema: Schema) -> Mapping[str, Estimator]:
        estimators = function(schema)
        usable = isinstance(estimators, Mapping) and all(
            isinstance(kind, str) and kind and hasattr(estimator, "fit")
            for kind, estimator in estimators.items()
        )
        if not usable or not estimators:
            raise OwnCodeError(
                f"TAXI_TRAIN_CANDIDATES: {module}.candidates gives {type(estimators).__name__}; "
                "return a mapping of names to unfitted estimators"
            )
        return dict(estimators)

    return candidates
