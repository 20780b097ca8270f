"""Numbers as people and documents get them: a target may have any size."""

from typing import Final

#: Numbers from here on have two decimals, up to the second.
_PLAIN: Final = (1.0, 1e7)


def figure(number: float) -> str:
    """Return a number for a text, with at least three significant digits.

    >>> figure(4.9912), figure(12345.678), figure(0.00012345), figure(0.0), figure(2.5e9)
    ('4.99', '12345.68', '0.000123', '0', '2.5e+09')
    """
    low, high = _PLAIN
    return f"{number:.2f}" if low <= abs(number) < high else f"{number:.3g}"


def rounded(number: float) -> float:
    """Return a number with six significant digits, for a document.

    >>> rounded(4.99123456), rounded(0.000012345678)
    (4.99123, 1.23457e-05)
    """
    return float(f"{number:.6g}")
