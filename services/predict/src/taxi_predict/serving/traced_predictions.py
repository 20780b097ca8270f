"""Predictions that say what they were in the span of their request; used where traces are made."""

from collections.abc import Sequence

import msgspec

from taxi_predict.serving.loaded_model import LoadedModel
from taxi_predict.serving.predictions import Predictions
from taxi_predict.spool.record import Entry
from taxi_predict.spool.writer import SpoolWriter
from taxi_runtime.traces import noted
from taxi_schema.rows import Row


class TracedPredictions(Predictions):
    """Notes rows, version, and the id of a row that is alone; the spool keeps who asked."""

    def answer(
        self, model: LoadedModel, rows: Sequence[Row], began: float, caller: str = ""
    ) -> list[object]:
        """Predict, log and return the answers, as the base does."""
        noted(rows=len(rows), model_version=model.version)
        return super().answer(model, rows, began, caller)

    def _log(self, spool: SpoolWriter, entries: Sequence[Entry]) -> None:
        trace = noted(row_id=entries[0].row_id) if len(entries) == 1 else noted()
        if trace:
            entries = [msgspec.structs.replace(entry, trace=trace) for entry in entries]
        super()._log(spool, entries)
