"""The fair queue under arbitrary histories: nothing lost, doubled or idle; fairness in bounds."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import Overloaded
from cluster.tenants.caller import Priority
from deployments.model.queueing.backlog import QueuedRequest
from tests.unit.model.fair_queue_bench import Bench

INTERACTIVE, STANDARD, BATCH = Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH


ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("enter"),
            st.integers(0, 4),
            st.sampled_from(Priority),
            st.integers(1, 4),
            st.sampled_from([0.5, 3.0, 1e6]),
            st.sampled_from([0.5, 1.0, 3.0]),
        ),
        st.tuples(st.just("charge"), st.integers(0, 99), st.floats(0, 1e4)),
        st.tuples(st.just("finish"), st.integers(0, 99)),
        st.tuples(st.just("leave"), st.integers(0, 99)),
        st.tuples(st.just("drop"), st.integers(0, 99)),
        st.tuples(st.just("advance"), st.floats(0, 2)),
    ),
    max_size=120,
)


@given(limit=st.integers(1, 5), actions=ACTIONS)
def test_no_place_is_lost_doubled_or_idle_whatever_happens(limit: int, actions: list) -> None:  # type: ignore[type-arg]
    bench = Bench(limit)
    queue, inside = bench.queue, list[QueuedRequest]()
    for action, *args in actions:
        _act(bench, inside, action, args)
        held = sum(entry.granted - entry.finished for entry in inside)
        waiting = sum(entry.waiting for entry in inside)
        assert queue.running == held <= limit
        assert queue.waiting == waiting == sum(queue.waiting_by.values())
        assert not (queue.free and queue.waiting)
        assert all(e.granted + e.waiting == e.slots or e.refusal for e in inside)
        assert all(entry.finished <= entry.granted <= entry.slots for entry in inside)
        open_tenants = {entry.tenant.id: entry.tenant.weight for entry in inside}
        assert abs(queue.shares - sum(open_tenants.values())) < 1e-6
    for entry in inside:
        queue.leave(entry)
    assert (queue.running, queue.waiting) == (0, 0)


def _act(bench: Bench, inside: list[QueuedRequest], action: str, args: list) -> None:  # type: ignore[type-arg]
    if action == "enter":
        tenant, priority, places, timeout_s, weight = args
        inside.append(bench.enter(f"t{tenant}", priority, places, timeout_s, weight))
    elif action == "advance":
        bench.clock.advance(args[0])
    elif inside:
        entry = inside[args[0] % len(inside)]
        if action == "charge":
            bench.queue.charge(entry, args[1])
        elif action == "finish" and entry.granted > entry.finished:
            bench.queue.finish(entry)
        elif action == "drop" and entry.waiting and not entry.granted:
            bench.queue.drop(entry, Overloaded("full"))
        elif action == "leave":
            bench.queue.leave(entry)
            inside.remove(entry)


@given(
    limit=st.integers(1, 6),
    weights=st.tuples(st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([0.5, 1.0, 3.0])),
    costs=st.lists(st.integers(1, 400), min_size=40, max_size=80),
    picks=st.lists(st.integers(0, 99), min_size=200, max_size=200),
)
def test_tenants_with_a_backlog_are_served_within_the_bound_of_virtual_token_counters(
    limit: int, weights: tuple[float, float], costs: list[int], picks: list[int]
) -> None:
    bench = Bench(limit)
    blockers = [bench.enter("x") for _ in range(limit)]
    entries = [bench.enter(f"t{i % 2}", weight=weights[i % 2]) for i, _ in enumerate(costs)]
    served = [0.0, 0.0]
    for blocker in blockers:
        bench.serve(blocker)
    for pick in picks:
        running = [i for i, e in enumerate(entries) if e.granted > e.finished]
        if not all(any(e.waiting for e in entries[t::2]) for t in (0, 1)):
            return
        chosen = running[pick % len(running)]
        served[chosen % 2] += costs[chosen] / weights[chosen % 2]
        bench.serve(entries[chosen], costs[chosen])
        assert abs(served[0] - served[1]) <= 2 * limit * max(costs) / min(weights)
