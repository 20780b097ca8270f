"""Train Job: the first model and the fallback, candidates, and the gate before promotion."""
