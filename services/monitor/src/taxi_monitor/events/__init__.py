"""Inference events of other servers: read, and turned into records."""
