"""A clip's frame rate: steady sources keep theirs, others get the standard one that fits."""

from fractions import Fraction

import pytest

from deployments.video.render.rates import output_rate


@pytest.mark.parametrize(
    ("average", "rate"),
    [
        (Fraction(30), Fraction(30)),
        (Fraction(24000, 1001), Fraction(24000, 1001)),
        (Fraction(2997, 100), Fraction(30000, 1001)),
        (Fraction(5994, 100), Fraction(60000, 1001)),
        (Fraction(120), Fraction(60)),
        (Fraction(240), Fraction(60)),
        (Fraction(100), Fraction(50)),
        (Fraction(15), Fraction(15)),
        (Fraction(25, 2), Fraction(25, 2)),
    ],
)
def test_a_steady_source_keeps_its_rate_up_to_60(average: Fraction, rate: Fraction) -> None:
    assert output_rate(average, False, ()) == rate


def test_an_unsteady_source_gets_the_rate_of_its_quick_stretches() -> None:
    slow = [number / 10 for number in range(50)]
    burst = [5 + number / 30 for number in range(60)]
    assert output_rate(Fraction(15), True, slow + burst) == 30


def test_jitter_does_not_change_the_rate() -> None:
    times = [number / 25 + 0.002 * (-1) ** number for number in range(100)]
    assert output_rate(Fraction(25), True, times) in (24, 25, Fraction(30000, 1001))


def test_nothing_known_means_30() -> None:
    assert output_rate(Fraction(0), True, ()) == 30
    assert output_rate(Fraction(90000), False, ()) == 30
