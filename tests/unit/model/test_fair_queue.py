"""The fair queue: who gets a place, in which order, whatever comes, ends or leaves when."""

from cluster.runtime.problems import DeadlineExceeded, Overloaded
from cluster.tenants.caller import Priority
from deployments.model.queueing.backlog import QueuedRequest
from tests.unit.model.fair_queue_bench import Bench

INTERACTIVE, STANDARD, BATCH = Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH


def _order(bench: Bench, entries: list[QueuedRequest], cost: float = 100.0) -> list[QueuedRequest]:
    """The entries in the order in which they are served one after the other."""
    served: list[QueuedRequest] = []
    while len(served) < len(entries):
        entry = next(e for e in entries if e.granted and e not in served)
        served.append(entry)
        bench.serve(entry, cost)
    return served


def test_free_places_are_given_at_once_and_the_rest_wait() -> None:
    bench = Bench(limit=2)

    first, second, third = (bench.enter("a") for _ in range(3))

    assert (first.granted, second.granted, third.granted) == (1, 1, 0)
    assert (bench.queue.running, bench.queue.waiting, bench.queue.free) == (2, 1, 0)
    bench.serve(first)
    assert third.granted == 1


def test_a_late_tenant_does_not_wait_behind_anothers_backlog() -> None:
    bench = Bench()
    flood = [bench.enter("a") for _ in range(10)]
    late = bench.enter("b")

    assert _order(bench, [*flood, late]).index(late) == 1


def test_turns_follow_the_weights() -> None:
    bench = Bench()
    heavy = [bench.enter("a", weight=3.0) for _ in range(30)]
    light = [bench.enter("b") for _ in range(30)]

    first = _order(bench, heavy + light)[:24]

    assert abs(sum(entry in heavy for entry in first) - 18) <= 1


def test_idle_time_earns_no_credit() -> None:
    bench = Bench()
    for _ in range(100):
        bench.serve(bench.enter("a"))
    busy = [bench.enter("a") for _ in range(10)]
    idle = [bench.enter("b") for _ in range(10)]

    first = _order(bench, busy + idle)[:10]

    assert abs(sum(entry in idle for entry in first) - 5) <= 1


def test_being_alone_is_not_held_against_a_tenant() -> None:
    bench = Bench()
    for _ in range(1000):
        bench.serve(bench.enter("a"))
    blocker = bench.enter("a")
    others = [bench.enter("b") for _ in range(5)]
    mine = bench.enter("a")

    assert _order(bench, [blocker, *others, mine]).index(mine) <= 3


def test_an_answer_that_cost_less_than_expected_is_paid_back() -> None:
    bench = Bench()
    for _ in range(20):
        bench.serve(bench.enter("a"), cost=1000.0)
    account = bench.queue.tenant("a", 1.0)
    before = account.served

    entry = bench.enter("a")
    assert account.served - before > 900
    bench.serve(entry, cost=10.0)

    assert account.served - before == 10.0


def test_within_a_tenant_the_important_goes_first_but_never_always() -> None:
    bench = Bench()
    entries = [bench.enter("a", p) for p in (BATCH, STANDARD, INTERACTIVE) for _ in range(20)]

    order = [entry.priority for entry in _order(bench, entries)]

    assert order[1:5] == [INTERACTIVE] * 4
    assert order[1:26].count(BATCH) >= 2
    assert order[1:26].count(STANDARD) >= 4
    assert order[1:26].count(INTERACTIVE) > 12


def test_anothers_priority_does_not_overtake() -> None:
    bench = Bench()
    urgent = [bench.enter("a", INTERACTIVE) for _ in range(20)]
    batch = [bench.enter("b", BATCH) for _ in range(20)]

    first = _order(bench, urgent + batch)[:20]

    assert abs(sum(entry in batch for entry in first) - 10) <= 1


def test_an_entry_whose_deadline_passed_gets_no_place() -> None:
    bench = Bench()
    running, dead, alive = bench.enter("a"), bench.enter("b", timeout_s=5.0), bench.enter("c")

    bench.clock.advance(5.0)
    bench.serve(running)

    assert dead.granted == 0
    assert isinstance(dead.refusal, DeadlineExceeded)
    assert dead.refusal.extensions["stage"] == "queue"
    assert alive.granted == 1


def test_choices_take_places_as_they_become_free() -> None:
    bench = Bench(limit=2)
    one, many = bench.enter("a"), bench.enter("b", places=3)
    assert (many.granted, bench.queue.free) == (1, 0)

    bench.serve(one)
    assert (many.granted, bench.queue.free) == (2, 0)
    bench.queue.finish(many)

    assert (many.granted, many.finished, bench.queue.running) == (3, 1, 2)
    bench.queue.leave(many)
    assert bench.queue.running == 0


def test_an_entry_that_leaves_takes_nothing_with_it() -> None:
    bench = Bench()
    running, leaving, staying = bench.enter("a"), bench.enter("b"), bench.enter("c")

    bench.queue.leave(leaving)

    assert bench.queue.waiting == 1
    bench.queue.leave(running)
    assert staying.granted == 1


def test_a_dropped_entry_is_told_why() -> None:
    bench = Bench()
    bench.enter("a")
    entry = bench.enter("b")

    bench.queue.drop(entry, Overloaded("full"))

    assert (entry.waiting, bench.queue.waiting) == (0, 0)
    assert isinstance(entry.refusal, Overloaded)


def test_accounts_of_ten_thousand_tenants_are_forgotten() -> None:
    bench = Bench(limit=4)
    for number in range(10_000):
        bench.serve(bench.enter(f"t{number}"), cost=float(number % 7))
        assert bench.queue.remembered() <= 1024

    assert bench.queue.shares == 0


def test_being_forgotten_earns_no_credit() -> None:
    bench = Bench()
    for _ in range(50):
        bench.serve(bench.enter("greedy"))
    had = bench.queue.tenant("greedy", 1.0).served
    for number in range(3_000):
        bench.serve(bench.enter(f"t{number}"))

    assert bench.queue.tenant("greedy", 1.0).served >= had


def test_the_order_of_tenants_is_swept() -> None:
    bench = Bench()
    blocker = bench.enter("a")
    for number in range(5_000):
        bench.queue.leave(bench.enter(f"t{number % 900}"))

    assert bench.queue.waiting == 0
    assert len(bench.queue._order) <= 2 * 64
    bench.serve(blocker)


def test_the_latest_weight_of_a_tenant_counts_for_its_open_requests() -> None:
    bench = Bench()
    first = bench.enter("a", weight=1.0)
    assert bench.queue.shares == 1.0

    second = bench.enter("a", weight=3.0)
    assert bench.queue.shares == 3.0

    bench.serve(first)
    bench.serve(second)
    assert bench.queue.shares == 0.0
