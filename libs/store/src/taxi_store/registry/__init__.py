"""The model registry: versions, aliases, artifacts."""
