"""Where keys live: evenly, in one place, moving little; and how far a shard can be loaded."""

import math
import random
from collections import Counter
from contextlib import ExitStack, suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.cache.tiers.sharding import ShardSelector, preference_list

KEYS = [random.Random(number).randbytes(32) for number in range(4000)]


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


@given(st.binary(min_size=32, max_size=32), st.integers(1, 16))
def test_a_key_s_order_is_always_the_same_and_names_every_shard(key: bytes, count: int) -> None:
    assert preference_list(key, names(count)) == preference_list(key, names(count))
    assert sorted(preference_list(key, names(count))) == list(range(count))
    assert ShardSelector(names(count)).home(key) == preference_list(key, names(count))[0]


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_every_shard_has_its_share(count: int) -> None:
    homes = Counter(preference_list(key, names(count))[0] for key in KEYS)

    for number in range(count):
        assert homes[number] == pytest.approx(len(KEYS) / count, rel=0.15)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_a_shard_more_takes_its_share_and_moves_no_other_key(count: int) -> None:
    moved = 0
    for key in KEYS:
        before, after = (
            preference_list(key, names(count))[0],
            preference_list(key, names(count + 1))[0],
        )
        assert after in (before, count)
        moved += after != before

    assert moved / len(KEYS) == pytest.approx(1 / (count + 1), rel=0.15)


def test_the_keys_of_a_shard_that_goes_scatter_over_the_others() -> None:
    seconds = Counter(
        preference_list(key, names(4))[1] for key in KEYS if preference_list(key, names(4))[0] == 3
    )

    for number in range(3):
        assert seconds[number] == pytest.approx(seconds.total() / 3, rel=0.2)


@example(count=3, slack=2.2, spare=0, seed=0, hot=True)  # 2.2 times 25 is more than 55
@given(
    count=st.integers(1, 8),
    slack=st.floats(1.0, 3.0),
    spare=st.integers(0, 40),
    seed=st.integers(0, 2**32 - 1),
    hot=st.booleans(),
)
def test_no_shard_takes_more_than_its_bound(
    count: int, slack: float, spare: int, seed: int, hot: bool
) -> None:
    """Also when all calls are for one key; and there is always a shard that may take one."""
    rng, placing = random.Random(seed), ShardSelector(names(count), slack, spare)
    open_calls = []
    for _ in range(150):
        if open_calls and rng.random() < 0.2:
            open_calls.pop(rng.randrange(len(open_calls))).__exit__(None, None, None)
            continue
        key = KEYS[0] if hot else rng.choice(KEYS)
        place = next(placing.with_capacity(key))
        call = placing.call(place)
        call.__enter__()
        open_calls.append(call)
        bound = max(spare, math.ceil(slack * sum(placing.calls) / count))
        assert placing.calls[place] <= bound
        assert sum(placing.calls) == len(open_calls)


def test_a_key_stays_at_home_while_there_is_room() -> None:
    placing = ShardSelector(names(4), spare=32)
    home = placing.home(KEYS[0])

    with ExitStack() as open_calls:
        for _ in range(32):
            assert list(placing.with_capacity(KEYS[0])) == [home]
            open_calls.enter_context(placing.call(home))
        assert list(placing.with_capacity(KEYS[0])) == preference_list(KEYS[0], names(4))[1:]


def test_a_call_that_fails_is_no_longer_in_flight() -> None:
    placing = ShardSelector(names(2))
    with suppress(ValueError), placing.call(1):
        assert placing.calls == (0, 1)
        raise ValueError("broken")

    assert placing.calls == (0, 0)
