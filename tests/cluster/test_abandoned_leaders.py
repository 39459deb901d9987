"""Real HTTP: who waits for a computation keeps it when whoever began it has left or is late.

The figure for 200 leaders is `./mobula bench followers`.
"""

import uuid

from load_tests.benchmarks.cache.abandoned_leaders import LEAVING, follow_abandoned, make_pairs
from load_tests.benchmarks.common.local_serve import LocalServe

PAIRS = 4 * len(LEAVING)


async def test_followers_of_abandoned_leaders_get_the_whole_answer(cluster: LocalServe) -> None:
    pairs = make_pairs(PAIRS, uuid.uuid4().hex[:8])
    outcome = await follow_abandoned(cluster.url, cluster.key, "slow", pairs, at_once=PAIRS)

    assert outcome.wrong == []
    assert outcome.right.total() == PAIRS
    assert outcome.computations <= PAIRS + 2  # some leaders leave before anybody has joined
