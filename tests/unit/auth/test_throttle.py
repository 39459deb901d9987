"""Slowing down who guesses passwords: by account, by address, in all; in little memory."""

import pytest

from cluster.auth import throttle as module
from cluster.auth.throttle import SignInThrottle, source_of
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import RateLimited

HERE, THERE = "192.0.2.1", "192.0.2.2"


def wait_of(throttle: SignInThrottle, email: str, address: str) -> float:
    """0.0 if the attempt may be made, which it then is."""
    try:
        throttle.attempt(email, address)
    except RateLimited as refused:
        return float(refused.extensions["retry_after_s"])
    return 0.0


def fail(throttle: SignInThrottle, email: str, address: str, times: int) -> None:
    for _ in range(times):
        throttle.attempt(email, address)


def test_after_ten_failures_each_attempt_waits_twice_as_long_as_the_one_before() -> None:
    clock = ManualClock()
    throttle = SignInThrottle(clock)
    fail(throttle, "ana", HERE, 10)

    waits = []
    for _ in range(10):
        waits.append(wait_of(throttle, "ana", HERE))
        clock.advance(waits[-1])
        assert wait_of(throttle, "ana", HERE) == 0.0

    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 300])


def test_what_is_refused_makes_the_wait_no_longer() -> None:
    clock = ManualClock()
    throttle = SignInThrottle(clock)
    fail(throttle, "ana", HERE, 11 - 1)
    for _ in range(1_000):
        assert wait_of(throttle, "ana", HERE) == pytest.approx(1)
    clock.advance(1)
    assert wait_of(throttle, "ana", HERE) == 0.0


def test_an_account_under_attack_is_open_to_its_user_from_any_other_address() -> None:
    """Ten guesses by anybody used to lock a known email out, for everybody."""
    clock = ManualClock()
    throttle = SignInThrottle(clock)
    for attacker in range(100):
        for _ in range(20):
            wait_of(throttle, "ana", f"203.0.113.{attacker}")
        clock.advance(5)

    assert wait_of(throttle, "ana", THERE) == 0.0
    assert wait_of(throttle, "ana", THERE) == 0.0  # mistyped once
    throttle.succeeded("ana", THERE)


def test_many_addresses_together_get_few_guesses_each_at_one_account() -> None:
    clock = ManualClock()
    throttle = SignInThrottle(clock)
    made = 0
    for attacker in range(60):
        while wait_of(throttle, "ana", f"203.0.113.{attacker}") == 0.0:
            made += 1
        clock.advance(10)

    assert made <= 10 + 10 + 58 * module.FREE_UNDER_ATTACK


def test_an_address_that_guesses_at_many_accounts_is_slowed_down() -> None:
    clock = ManualClock()
    throttle = SignInThrottle(clock)
    tried = sum(wait_of(throttle, f"user{number}", HERE) == 0.0 for number in range(1_000))

    assert tried == module.BY_ADDRESS
    assert wait_of(throttle, "another", HERE) > 0
    assert wait_of(throttle, "another", THERE) == 0.0
    clock.advance(module.DRAIN_S)
    assert wait_of(throttle, "another", HERE) == 0.0


def test_who_has_signed_in_from_an_address_does_so_again_whatever_others_do_there() -> None:
    throttle = SignInThrottle(ManualClock())
    throttle.attempt("ana", HERE)
    throttle.succeeded("ana", HERE)
    for number in range(1_000):
        wait_of(throttle, f"user{number}", HERE)

    assert wait_of(throttle, "ana", HERE) == 0.0
    assert wait_of(throttle, "bob", HERE) > 0


def test_guesses_in_all_are_bounded_and_known_users_still_come_in() -> None:
    clock = ManualClock()
    throttle = SignInThrottle(clock)
    throttle.attempt("ana", HERE)
    throttle.succeeded("ana", HERE)
    made = sum(
        wait_of(throttle, f"user{n}", f"198.51.{n // 250}.{n % 250}") == 0.0 for n in range(5_000)
    )

    assert made == module.IN_ALL
    assert wait_of(throttle, "ana", HERE) == 0.0
    clock.advance(1)
    assert wait_of(throttle, "new", THERE) == 0.0


def test_success_forgets_failures_and_our_own_faults_do_not_count() -> None:
    throttle = SignInThrottle(ManualClock())
    fail(throttle, "ana", HERE, 9)
    throttle.succeeded("ana", HERE)
    for _ in range(500):
        throttle.attempt("ana", HERE)
        throttle.cancel_attempt("ana", HERE)
    fail(throttle, "ana", HERE, 10)
    with pytest.raises(RateLimited):
        throttle.attempt("ana", HERE)


def test_a_success_of_ones_own_account_does_not_pay_for_guesses_at_others() -> None:
    throttle = SignInThrottle(ManualClock())
    tried = 0
    for number in range(500):
        tried += wait_of(throttle, f"user{number}", HERE) == 0.0
        throttle.attempt("eve", HERE)
        throttle.succeeded("eve", HERE)

    assert tried <= module.BY_ADDRESS


def test_failures_are_forgotten_after_a_quiet_while() -> None:
    clock = ManualClock()
    throttle = SignInThrottle(clock)
    fail(throttle, "ana", HERE, 10)
    clock.advance(module.FORGET_AFTER_S)
    fail(throttle, "ana", HERE, 10)


def test_memory_is_bounded_and_the_longest_quiet_goes_first() -> None:
    clock = ManualClock()
    throttle = SignInThrottle(clock, max_entries=100)
    fail(throttle, "busy", HERE, 11 - 1)
    for number in range(3_000):
        wait_of(throttle, f"user{number}", f"198.51.{number // 250}.{number % 250}")
        assert wait_of(throttle, "busy", HERE) > 0
        clock.advance(0.0001)

    assert len(throttle) <= 300


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("not an address", "<script>"),
    ],
)
def test_addresses_that_one_person_can_choose_among_are_one(one: str, other: str) -> None:
    assert source_of(one) == source_of(other)


def test_neighbours_are_not_one() -> None:
    assert source_of(HERE) != source_of(THERE)
    assert source_of("2001:db8:1:2::1") != source_of("2001:db8:1:3::1")
