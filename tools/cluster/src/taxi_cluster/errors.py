"""Errors that end a verb with one clear line."""


class ClusterError(Exception):
    """A step cannot go on; the text names the thing and the remedy."""
