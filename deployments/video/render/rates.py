"""The constant frame rate of a clip, by the rate of its source. Pure arithmetic.

A source with a constant rate keeps it, halved until it is at most 60. One with a variable rate gets
the standard rate closest to that of its fast parts, so that bursts stay smooth.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from deployments.contracts.media import Seconds

STANDARD = tuple(
    Fraction(*rate)
    for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1))
    + ((60000, 1001), (60, 1))
)
DEFAULT = Fraction(30)
FASTEST = Fraction(60)
SLOWEST = Fraction(1)
_SAME_RATE = 0.0005
_FAST_SHARE = 0.1


def output_rate(average: Fraction, vfr: bool, times: Sequence[Seconds]) -> Fraction:
    """The rate for a source of `average` frames a second, whose frames in and around the clip are
    shown at `times` (any order)."""
    gaps = sorted(after - before for before, after in pairwise(sorted(times)) if after > before)
    if not vfr and SLOWEST <= average <= 1000:
        return _standard_if_close(_halve_to_limit(average))
    if not gaps:
        return DEFAULT
    fast_rate = 1 / gaps[int(_FAST_SHARE * len(gaps))]
    return min(STANDARD, key=lambda rate: (abs(float(rate) - fast_rate), rate))


def _halve_to_limit(rate: Fraction) -> Fraction:
    while rate > FASTEST * (1 + Fraction(_SAME_RATE)):
        rate /= 2
    return rate


def _standard_if_close(rate: Fraction) -> Fraction:
    nearest = min(STANDARD, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) <= nearest * _SAME_RATE else rate.limit_denominator(1001)
