"""How many items a JSON body has, counted in its bytes before any of them is decoded.

A list of ten million bytes can have five million items, and a decoder makes an object of each
before it says that they are too many.
"""

from typing import Final

import numpy as np

_PIECE: Final = 256 * 1024
_QUOTE, _COMMA = ord('"'), ord(",")
_OPEN: Final = tuple(b"[{")
_CLOSE: Final = tuple(b"]}")


def has_more(data: bytes, most: int, depth: int) -> bool:
    """Tell whether lists and objects at one depth have more than so many items together.

    Args:
        data: JSON; of what is none, something is told.
        most: Items that are allowed.
        depth: 1 for the body itself, 2 for what its items have, ...
    """
    # Each item but the first has its comma, wherever else there are some.
    if data.count(b",") < most:
        return False
    # Without what is escaped, each quote begins or ends a string.
    text = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes = level = commas = 0
    for begin in range(0, len(text), _PIECE):
        piece = np.frombuffer(text, np.uint8, min(_PIECE, len(text) - begin), begin)
        opened = np.cumsum(piece == _QUOTE) + quotes
        outside = opened % 2 == 0
        steps = np.isin(piece, _OPEN).astype(np.int8) - np.isin(piece, _CLOSE)
        levels = np.cumsum(steps * outside) + level
        commas += int(((piece == _COMMA) & outside & (levels == depth)).sum())
        if commas >= most:
            return True
        quotes, level = int(opened[-1]), int(levels[-1])
    return False
