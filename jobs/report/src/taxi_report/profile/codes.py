"""Categories as numbers: the reference's codes, and one more for each text that it never had."""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_schema.names import is_category

Floats = NDArray[np.float64]

#: Of a hash: floats hold such integers and the reference's codes exactly.
_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of a column of texts.

    Attributes:
        texts: Those of the reference, ascending; a text's place is its code.
    """

    texts: tuple[str, ...]

    def of(self, text: str) -> float:
        """Return the code of a text; one that the reference never had has a hash.

        >>> Codes(("EWR", "JFK")).of("JFK"), Codes(("EWR",)).of("JFK") > 1
        (1.0, True)
        """
        place = bisect_left(self.texts, text)
        known = place < len(self.texts) and self.texts[place] == text
        return float(place) if known else self._unseen(text)

    def encode(self, values: Sequence[object]) -> tuple[Floats, dict[float, str]]:
        """Return values as codes, NaN for what is no category, and the unseen texts by code."""
        known: dict[str, float] = {text: float(place) for place, text in enumerate(self.texts)}
        unseen: dict[float, str] = {}
        codes = []
        for value in values:
            if type(value) is not str:
                codes.append(np.nan)
                continue
            if value not in known:
                known[value] = np.nan
                if is_category(value):
                    known[value] = code = self._unseen(value)
                    unseen[code] = value
            codes.append(known[value])
        return np.array(codes, np.float64), unseen

    def _unseen(self, text: str) -> float:
        digest = hashlib.blake2b(text.encode(), digest_size=_BYTES).digest()
        return float(len(self.texts) + int.from_bytes(digest))
