"""How requests are spread over replicas, policy by policy."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cluster.balancing.balancers import BalancingPolicy, create_policy, mix64
from cluster.balancing.replica_state import Dispatch, ReplicaState
from cluster.balancing.request_info import NOTHING, RoutingRequest
from cluster.balancing.spec import PolicyName, RoutingSpec

NOW = 1000.0
POLICIES: tuple[PolicyName, ...] = (
    "round-robin",
    "weighted",
    "least-requests",
    "least-tokens",
    "least-time",
    "prefix",
)


def seats(count: int, local: Iterable[int] = ()) -> list[ReplicaState]:
    return [ReplicaState(f"r{number}", "node", local=number in local) for number in range(count)]


def give(seat: ReplicaState, requests: int, tokens: int = 0) -> None:
    for _ in range(requests):
        seat.take(Dispatch("", seat, tokens, 1, NOW))


def chooser(policy: PolicyName, *, local: bool = True, load_bound: float = 1.25) -> BalancingPolicy:
    return create_policy(RoutingSpec(policy=policy, local=local, load_bound=load_bound))


def chosen(
    by: BalancingPolicy, among: Sequence[ReplicaState], times: int, ask: RoutingRequest = NOTHING
) -> list[str]:
    return [by.order(among, ask, NOW)[0].replica for _ in range(times)]


@given(st.sampled_from(POLICIES), st.lists(st.integers(0, 9), min_size=1), st.integers(0, 2**64))
def test_every_policy_names_every_replica_once(
    policy: PolicyName, loads: list[int], key: int
) -> None:
    among = seats(len(loads), local=range(0, len(loads), 2))
    for seat, load in zip(among, loads, strict=True):
        give(seat, load, 7)
    found = chooser(policy).order(among, RoutingRequest("a", 10, key), NOW)
    assert sorted(seat.replica for seat in found) == sorted(seat.replica for seat in among)


@given(st.sampled_from(["round-robin", "weighted", "least-requests", "least-tokens", "least-time"]))
def test_equal_replicas_take_turns(policy: PolicyName) -> None:
    assert set(Counter(chosen(chooser(policy), seats(3), 30)).values()) == {10}


def test_round_robin_goes_on_with_the_next_one() -> None:
    assert chosen(chooser("round-robin"), seats(3), 6) == list(islice(cycle(["r0", "r1", "r2"]), 6))


def test_round_robin_stays_on_its_node_while_that_is_not_busier() -> None:
    among = seats(4, local=[1, 3])
    by = chooser("round-robin")
    assert set(chosen(by, among, 10)) == {"r1", "r3"}
    give(among[1], 1)
    assert set(chosen(by, among, 10)) == {"r3"}
    give(among[3], 1)
    assert set(chosen(by, among, 12)) == {"r0", "r1", "r2", "r3"}


def test_the_least_requests_win_and_then_the_own_node() -> None:
    among = seats(3, local=[1])
    give(among[0], 1)
    by = chooser("least-requests")
    assert set(chosen(by, among, 4)) == {"r1"}
    give(among[1], 1)
    assert set(chosen(by, among, 4)) == {"r2"}
    assert set(chosen(chooser("least-requests", local=False), among[:2], 4)) == {"r0", "r1"}


def test_requests_of_other_callers_count_as_load() -> None:
    among = seats(2)
    among[0].reported({"running": 3, "queued": 1}, NOW)
    assert among[0].load == 4
    assert set(chosen(chooser("least-requests"), among, 4)) == {"r1"}


def test_what_this_process_sent_is_not_taken_for_that_of_others() -> None:
    seat = seats(1)[0]
    give(seat, 5)
    seat.reported({"running": 5, "queued": 0}, NOW)
    assert (seat.load, seat.elsewhere) == (5, 0)


def test_a_report_from_before_the_work_was_done_is_nobody_elses_load() -> None:
    seat = seats(1)[0]
    work = [Dispatch("", seat, 0, 1, NOW) for _ in range(4)]
    for each in work:
        seat.take(each)
    for each in work:
        seat.release(each)
    seat.reported({"running": 4, "queued": 0}, NOW)
    assert seat.load == 0


def test_one_long_answer_weighs_more_than_two_short_ones() -> None:
    among = seats(2)
    give(among[0], 1, tokens=4000)
    give(among[1], 2, tokens=50)
    assert chosen(chooser("least-tokens"), among, 1) == ["r1"]
    assert chosen(chooser("least-requests"), among, 1) == ["r0"]


def test_a_replica_ten_times_as_slow_gets_a_tenth_of_the_open_requests() -> None:
    among = seats(2)
    among[0].answered(1.0, NOW)
    among[1].answered(0.1, NOW)
    by = chooser("least-time")
    for _ in range(22):
        give(by.order(among, NOTHING, NOW)[0], 1)
    assert (among[0].requests, among[1].requests) == (2, 20)


def test_a_slow_answer_counts_at_once_and_is_forgotten_in_ten_seconds() -> None:
    seat = seats(1)[0]
    seat.answered(0.1, NOW)
    seat.answered(5.0, NOW)
    assert seat.peak_s(NOW) == 5.0
    seat.answered(0.1, NOW + 0.001)
    assert (seat.peak_s(NOW + 0.001) or 0) > 4.9
    assert (seat.peak_s(NOW + 40.0) or 0) < 0.1


def test_a_new_replica_counts_as_the_fastest_one() -> None:
    among = seats(3)
    among[0].answered(0.5, NOW)
    among[1].answered(0.1, NOW)
    assert Counter(chosen(chooser("least-time"), among, 6)).keys() == {"r1", "r2"}
    give(among[1], 1)
    assert set(chosen(chooser("least-time"), among, 6)) == {"r2"}


def weighted(*weights: float) -> list[ReplicaState]:
    among = seats(len(weights))
    for seat, weight in zip(among, weights, strict=True):
        seat.reported({"weight": weight}, NOW)
    return among


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_shares_are_as_the_weights(weights: list[int]) -> None:
    found = Counter(chosen(chooser("weighted"), weighted(*weights), sum(weights)))
    assert [found[f"r{number}"] for number in range(len(weights))] == weights


def test_the_heaviest_gets_no_burst() -> None:
    names = "".join(chosen(chooser("weighted"), weighted(5, 1, 1), 7))
    assert names == "r0r0r1r0r2r0r0"


def test_weights_change_while_requests_come() -> None:
    among, by = weighted(1, 1), chooser("weighted")
    assert Counter(chosen(by, among, 10)) == {"r0": 5, "r1": 5}
    among[0].reported({"weight": 3}, NOW)
    assert Counter(chosen(by, among, 40)) == {"r0": 30, "r1": 10}


def test_weight_zero_is_a_last_resort_and_all_zero_are_equals() -> None:
    among = weighted(0, 1)
    assert [seat.replica for seat in chooser("weighted").order(among, NOTHING, NOW)] == ["r1", "r0"]
    assert Counter(chosen(chooser("weighted"), weighted(0, 0), 10)) == {"r0": 5, "r1": 5}


def test_speed_and_free_places_are_part_of_the_weight() -> None:
    among = seats(2)
    among[0].reported({"weight": 1, "speed": 30, "free": 1.0}, NOW)
    among[1].reported({"weight": 1, "speed": 10, "free": 1.0}, NOW)
    assert Counter(chosen(chooser("weighted"), among, 40)) == {"r0": 30, "r1": 10}
    among[0].reported({"weight": 1, "speed": 30, "free": 0.1}, NOW)
    assert Counter(chosen(chooser("weighted"), among, 40))["r0"] == 9


def asks(count: int, seed: int = 7) -> list[RoutingRequest]:
    random = Random(seed)
    return [RoutingRequest(str(number), 10, random.getrandbits(64)) for number in range(count)]


def test_equal_beginnings_go_to_one_replica_and_different_ones_to_all() -> None:
    by, among = chooser("prefix"), seats(4)
    homes = {ask.key: by.order(among, ask, NOW)[0].replica for ask in asks(400)}
    again = {ask.key: by.order(among[::-1], ask, NOW)[0].replica for ask in asks(400)}
    assert homes == again
    assert all(70 < count < 130 for count in Counter(homes.values()).values())


def test_a_replica_that_goes_takes_only_its_own_beginnings_along() -> None:
    by, among = chooser("prefix"), seats(4)
    before = [by.order(among, ask, NOW)[0].replica for ask in asks(400)]
    after = [by.order(among[:3], ask, NOW)[0].replica for ask in asks(400)]
    moved = [old for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"r3"}


@given(st.integers(1, 60), st.integers(1, 8), st.sampled_from([1.1, 1.25, 2.0]))
def test_no_replica_has_more_than_the_bound_allows(open_now: int, count: int, bound: float) -> None:
    """However alike the beginnings are."""
    by, among = chooser("prefix", load_bound=bound), seats(count)
    for number in range(1, open_now + 1):
        give(by.order(among, RoutingRequest("a", 1, 42), NOW)[0], 1)
        assert max(seat.load for seat in among) <= -(-bound * number // count)


def test_requests_without_a_beginning_go_where_there_is_least_to_do() -> None:
    among = seats(2)
    give(among[0], 1)
    assert chosen(chooser("prefix"), among, 1) == ["r1"]


def test_nine_in_ten_stay_at_home_under_load() -> None:
    """Of 6,000 requests with 200 beginnings, 30 of them open at any time, bound 1.25."""
    by, among, random = chooser("prefix"), seats(3), Random(3)
    at_home, open_now = 0, list[Dispatch]()
    for _ in range(6000):
        if len(open_now) >= 30:
            done = open_now.pop(random.randrange(len(open_now)))
            done.state.release(done)
        ask = asks(1, seed=random.randrange(200))[0]
        home = max(among, key=lambda seat: mix64(ask.key ^ seat.hash))
        seat = by.order(among, ask, NOW)[0]
        at_home += seat is home
        open_now.append(Dispatch("", seat, 1, 1, NOW))
        seat.take(open_now[-1])
    assert at_home >= 0.9 * 6000, at_home
