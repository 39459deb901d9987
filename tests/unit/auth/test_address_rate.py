"""Open routes: so many calls of one address, whatever others do, in little memory."""

import pytest

from cluster.auth.throttle import AddressRate
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import RateLimited


def test_a_burst_passes_and_then_one_by_one() -> None:
    clock = ManualClock()
    rate = AddressRate(clock, per_s=2.0, burst=10)
    for _ in range(10):
        rate.take("192.0.2.1")

    with pytest.raises(RateLimited) as refused:
        rate.take("192.0.2.1")
    assert refused.value.extensions["retry_after_s"] == pytest.approx(0.5)
    rate.take("192.0.2.2")
    clock.advance(0.5)
    rate.take("192.0.2.1")
    with pytest.raises(RateLimited):
        rate.take("192.0.2.1")


def test_addresses_that_are_quiet_again_take_no_memory() -> None:
    clock = ManualClock()
    rate = AddressRate(clock, max_entries=100)
    for number in range(10_000):
        rate.take(f"198.51.{number // 250}.{number % 250}")
    assert len(rate) <= 100
