"""The seed of everything random in a run: the same rows give the same artifact."""

from typing import Final

SEED: Final = 20210101
