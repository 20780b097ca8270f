"""Names in MongoDB: the database, its collections and their fields.

`ts` is the time of the answer, `stored_at` the time of the insert;
the TTL index and the tailing use `stored_at`, so replayed spools and old rows behave.
"""

from typing import Final

DATABASE: Final = "taxi"

PREDICTIONS: Final = "predictions"
LABELS: Final = "labels"
#: Rows that nobody predicts.
ROWS: Final = "rows"
#: Halves of logged inferences that are not joined yet.
PENDING: Final = "pending_events"
RUNS: Final = "runs"
MODELS: Final = "models"
ALIASES: Final = "aliases"
REPORTS: Final = "reports"
VERDICTS: Final = "verdicts"
REFUSALS: Final = "refusals"
#: What was done to the data by hand or by schedule.
AUDIT: Final = "audit"
ARTIFACTS_BUCKET: Final = "artifacts"
