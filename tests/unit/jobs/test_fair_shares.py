"""Start-time fair queueing: what tenants who wait are given is fair by weight, whatever comes."""

from dataclasses import dataclass, field
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from deployments.jobs.fair_queueing import TenantBacklog, schedule_order

Weights = dict[str, float]
TENANTS = ("a", "b", "c", "d")


@dataclass
class Queue:
    """Tenants' queues of costs, served as deployments/jobs/dequeue.py does."""

    weights: Weights
    waiting: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in TENANTS})
    finish: dict[str, float] = field(default_factory=dict)
    virtual: float = 0.0

    def serve(self) -> tuple[str, int] | None:
        waiting = [
            TenantBacklog(name, self.finish.get(name, 0.0), 0.0)
            for name, costs in self.waiting.items()
            if costs
        ]
        if not waiting:
            return None
        chosen = schedule_order(waiting, self.virtual)[0]
        cost = self.waiting[chosen.tenant].pop(0)
        start = chosen.start(self.virtual)
        assert start >= self.virtual
        self.virtual = start
        self.finish[chosen.tenant] = start + cost / self.weights[chosen.tenant]
        return chosen.tenant, cost


arrivals = st.lists(
    st.one_of(st.none(), st.tuples(st.sampled_from(TENANTS), st.integers(1, 1_000))),
    min_size=1,
    max_size=120,
)
weights = st.fixed_dictionaries({name: st.floats(0.1, 100.0) for name in TENANTS})


@given(arrivals, weights)
def test_tenants_who_both_wait_differ_by_at_most_a_largest_job_of_each(
    steps: list[tuple[str, int] | None], weights: Weights
) -> None:
    queue = Queue(weights)
    largest = {
        name: max((s[1] for s in steps if s and s[0] == name), default=0) for name in TENANTS
    }
    gaps = {pair: [0.0] for pair in combinations(TENANTS, 2)}  # since both began to wait
    for step in [*steps, *([None] * len(steps))]:
        if step is not None:
            queue.waiting[step[0]].append(step[1])
            continue
        both = {pair for pair in gaps if all(queue.waiting[name] for name in pair)}
        served = queue.serve()
        for (first, second), seen in gaps.items():
            if (first, second) not in both:
                seen[:] = [0.0]
            elif served is not None and served[0] in (first, second):
                got = served[1] / weights[served[0]]
                seen.append(seen[-1] + (got if served[0] == first else -got))
                bound = largest[first] / weights[first] + largest[second] / weights[second]
                assert max(seen) - min(seen) <= bound * (1 + 1e-9)


@given(arrivals, weights)
def test_work_is_never_left_while_somebody_could_do_it(
    steps: list[tuple[str, int] | None], weights: Weights
) -> None:
    queue = Queue(weights)
    added = served = 0
    for step in steps:
        if step is not None:
            queue.waiting[step[0]].append(step[1])
            added += 1
        else:
            served += queue.serve() is not None
    while queue.serve() is not None:
        served += 1

    assert served == added


def test_of_equal_claims_the_older_comes_first() -> None:
    waiting = [
        TenantBacklog("b", 0.0, 5.0),
        TenantBacklog("c", 3.0, 1.0),
        TenantBacklog("a", 4.0, 2.0),
    ]

    assert [each.tenant for each in schedule_order(waiting, 4.0)] == ["c", "a", "b"]
    assert [each.tenant for each in schedule_order(waiting, 0.0)] == ["b", "c", "a"]
