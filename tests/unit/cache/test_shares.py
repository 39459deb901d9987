"""Bands of nearly equal size, and who is found to hold the most."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from deployments.cache.tiers.fair_share import (
    ACCOUNT_BYTES,
    FairShareAccounting,
    TenantUsage,
    size_class,
    size_class_floor,
)
from deployments.cache.tiers.sieve import Slot

SIZES = st.integers(0, 2**40)


@given(SIZES, SIZES)
def test_more_bytes_are_never_in_a_lower_band(one: int, other: int) -> None:
    assert (one <= other) <= (size_class(one) <= size_class(other))


@given(SIZES)
def test_a_band_begins_at_most_a_sixteenth_below_any_size_in_it(size: int) -> None:
    least = size_class_floor(size_class(size))

    assert size * 16 / 17 <= least <= size
    assert size_class(least) == size_class(size)
    assert least == 0 or size_class(least - 1) < size_class(size)


def test_who_holds_the_most_is_found_to_a_sixteenth() -> None:
    shares: FairShareAccounting[Slot] = FairShareAccounting(10**9)
    accounts = [shares.open(str(number)) for number in range(200)]
    rng = Random(1)

    for _ in range(2000):
        shares.change(rng.choice(accounts), rng.randrange(100_000))
        but = rng.choice(accounts)
        largest = shares.largest(but)
        assert largest is not None
        assert largest is not but
        most = max(account.bytes for account in accounts if account is not but)
        assert largest.bytes >= most * 15 / 16


def test_ten_thousand_tenants_that_came_and_went_leave_nothing() -> None:
    shares: FairShareAccounting[Slot] = FairShareAccounting(10**9)
    accounts: list[TenantUsage[Slot]] = [shares.open(str(number)) for number in range(10_000)]
    assert shares.bytes == 10_000 * ACCOUNT_BYTES

    for account in accounts:
        shares.close(account)

    assert (len(shares), shares.bytes) == (0, 0)
    assert shares.largest(accounts[0]) is None
    assert shares.next_in_turn() is None


def test_every_account_has_its_turn() -> None:
    shares: FairShareAccounting[Slot] = FairShareAccounting(10**9)
    for number in range(5):
        shares.open(str(number))

    turns = [shares.next_in_turn() for _ in range(10)]

    assert [account.tenant for account in turns if account is not None] == list("0123401234")
