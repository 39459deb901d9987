"""What `./mobula bench followers` asks, and how it judges."""

from collections import Counter

from load_tests.benchmarks.cache.abandoned_leaders import LEAVING, FollowerOutcome, make_pairs
from load_tests.benchmarks.cache.bench_followers import build_measurements
from load_tests.benchmarks.common.measurement import all_met


def test_every_way_to_give_up_is_tried_of_whole_answers_and_of_streams() -> None:
    pairs = make_pairs(4 * len(LEAVING), "seed")
    kinds = {(pair.leaving, pair.leader_streams, pair.follower_streams) for pair in pairs}
    assert len(kinds) == 4 * len(LEAVING)
    assert len({pair.prompt for pair in pairs}) == len(pairs)
    assert make_pairs(12, "seed") == pairs
    assert make_pairs(12, "other") != pairs


def test_one_wrong_answer_of_200_misses_the_target() -> None:
    right = Counter({"whole, leader closes": 200})
    assert all_met(build_measurements(FollowerOutcome(right, [], 200), 200))
    assert not all_met(build_measurements(FollowerOutcome(right, ["503"], 201), 201))
    assert not all_met(build_measurements(FollowerOutcome(right, [], 300), 200))
