"""Distribution of the Kolmogorov-Smirnov statistic, of two samples and of one.

Two samples of at most 10,000 rows have the exact p-value, larger ones that of one sample of
n N / (n + N) rows, as `scipy.stats.ks_2samp` has it by default.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxi_profiles.scores.special import log_factorials

Floats = NDArray[np.float64]

#: Rows up to which two samples have the exact p-value.
MAX_EXACT: Final = 10_000
#: P-values below this, of samples worth so many rows, are not worth counting paths.
_NEGLIGIBLE: Final = 1e-13
_MIN_WORTH: Final = 100
#: Up to here the distribution of one sample is exact (Simard and L'Ecuyer 2011, section 5).
_MAX_SMALL: Final = 140


def two_samples_above(distance: float, first: int, second: int) -> float:
    """Chance that two samples of one distribution are at least so far from each other.

    Args:
        distance: Largest distance of their distribution functions, 0 to 1.
        first: Rows of one.
        second: Rows of the other.
    """
    sizes = max(first, second), min(first, second)
    worth = round(sizes[0] * sizes[1] / (sizes[0] + sizes[1]))
    if sizes[0] <= MAX_EXACT:
        divisor = math.gcd(first, second)
        steps = round(distance * (first // divisor * second))
        if not steps:
            return 1.0
        if worth >= _MIN_WORTH and (limit := one_sample_above(distance, worth)) < _NEGLIGIBLE:
            return limit
        return _paths_outside(*sizes, divisor, steps)
    return one_sample_above(distance, worth)


def _paths_outside(many: int, few: int, divisor: int, steps: int) -> float:
    """Share of the lattice paths from (0, 0) to (many, few) that leave a band.

    A path is the merged order of both samples, each as likely as the other. It leaves the band
    where the distribution functions are `steps` or more of 1/lcm apart (Hodges 1957). The share of
    those that have left by a point follows from that of its two neighbours before it; all points
    with the same sum of coordinates are computed at once.
    """
    along, across = many // divisor, few // divisor
    xs = np.arange(many + 2, dtype=np.float64)
    outside = np.ones(many + 3)  # at x + 1
    outside[1] = 0.0
    low = 0
    for total in range(1, many + few + 1):
        # |across x - along y| < steps, with y = total - x
        begin = (along * total - steps) // (along + across) + 1
        end = -((-along * total - steps) // (along + across)) - 1
        begin, end = max(begin, total - few, 0), min(end, total, many)
        if begin > end:
            return 1.0
        x = xs[begin : end + 1]
        outside[begin + 1 : end + 2] = (
            outside[begin : end + 1] * x + outside[begin + 1 : end + 2] * (total - x)
        ) / total
        outside[low + 1 : begin + 1] = 1.0
        low = begin
    return float(outside[many + 1])


def one_sample_above(distance: float, rows: int) -> float:
    """Chance that a sample's distribution function is at least so far from the true one.

    Chosen as Simard and L'Ecuyer (Journal of Statistical Software 39, 11; 2011) do.
    """
    n, x = rows, distance
    if n <= 0:
        raise ValueError("a test needs rows on both sides")
    if x >= 1:
        return 0.0
    if n * x <= 0.5:
        return 1.0
    if n * x >= n - 1:
        return 2 * (1 - x) ** n
    square = n * x * x
    if x >= 0.5 or square > (4 if n <= _MAX_SMALL else 2.2):
        return min(2 * _one_sided_above(x, n), 1.0)
    if n <= _MAX_SMALL or (n <= 100_000 and n * x**1.5 <= 1.4):
        return _clipped(1 - _durbin(n, x))
    return _clipped(1 - _pelz_good(n, x))


def _clipped(chance: float) -> float:
    return min(max(chance, 0.0), 1.0)


def _one_sided_above(x: float, n: int) -> float:
    """Smirnov's exact sum of one-sided chances, all of its terms positive."""
    last = math.floor(n * (1 - x))
    places = np.arange(last + 1.0)
    left = 1 - x - places / n
    if left[-1] <= 0:
        places, left = places[:-1], left[:-1]
    terms = (
        log_factorials(np.array(float(n))) - log_factorials(places) - log_factorials(n - places)
        + (places - 1) * np.log(x + places / n) + (n - places) * np.log(left)
    )  # fmt: skip
    return float(x * np.exp(terms).sum())


def _durbin(n: int, x: float) -> float:
    """Chance to be below, exact: Durbin's matrix (Marsaglia, Tsang and Wang 2003)."""
    k = math.ceil(n * x)
    rest, size = k - n * x, 2 * k - 1
    places = np.arange(size)
    factorials = np.exp(-log_factorials(np.arange(size + 1.0)))
    gaps = places[:, np.newaxis] - places + 1
    matrix = np.where(gaps >= 0, factorials[np.maximum(gaps, 0)], 0.0)
    edge = (1 - rest ** (places + 1)) * factorials[1:]
    matrix[:, 0] = edge
    matrix[-1] = edge[::-1]
    corner = max(2 * rest - 1, 0.0) ** size - 2 * rest**size
    matrix[-1, 0] = (1 + corner) * factorials[size]
    power, scale = _power(matrix, n)
    front = math.lgamma(n + 1) - n * math.log(n)
    value = float(power[k - 1, k - 1])
    return math.exp(front + scale + math.log(value)) if value > 0 else 0.0


def _power(matrix: Floats, exponent: int) -> tuple[Floats, float]:
    """Return a power of a matrix and the logarithm of what it has to be multiplied by."""
    found, scale, base, base_scale = np.eye(len(matrix)), 0.0, matrix, 0.0
    while exponent:
        if exponent % 2:
            found, scale = found @ base, scale + base_scale
            largest = float(found.max())
            found, scale = found / largest, scale + math.log(largest)
        base, base_scale = base @ base, 2 * base_scale
        largest = float(base.max())
        base, base_scale = base / largest, base_scale + math.log(largest)
        exponent //= 2
    return found, scale


def _pelz_good(n: int, x: float) -> float:
    """Chance to be below, by three terms beyond the limit (Pelz and Good 1976)."""
    z = math.sqrt(n) * x
    first = -(math.pi**2) / 8 / z**2
    odd = 2 * np.arange(1, math.ceil(16 * z / math.pi) + 1) - 1.0
    whole = (odd + 1) / 2
    half, quarter = (math.pi * odd / 2) ** 2, np.exp(first * odd**2)
    full = (math.pi * whole) ** 2
    even = np.exp(4 * first * whole**2)
    k0 = quarter.sum() / z
    k1 = ((half - z**2) * quarter).sum() / (6 * z**4)
    k2 = (
        (6 * z**6 + 2 * z**4 + half * (2 * z**4 - 5 * z**2) + half**2 * (1 - 2 * z**2)) * quarter
    ).sum() / (72 * z**7) - (full * even).sum() / (36 * z**3)
    k3 = (
        (
            -30 * z**6 - 90 * z**8 + half * (135 * z**4 - 96 * z**6)
            + half**2 * (212 * z**4 - 60 * z**2) + half**3 * (5 - 30 * z**2)
        ) * quarter
    ).sum() / (6480 * z**10) + ((3 * z**2 - full) * full * even).sum() / (216 * z**6)  # fmt: skip
    terms = k0 + k1 / math.sqrt(n) + k2 / n + k3 / n**1.5
    return float(math.sqrt(2 * math.pi) * terms)
