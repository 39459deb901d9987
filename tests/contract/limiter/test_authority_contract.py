"""What every authority of limits promises, on the memory one and on Redis alike.

Rates are so slow, or waits so long against the bounds, that real time does not matter.
"""

import itertools

import pytest

from deployments.contracts.limits import BucketKind, BucketSpec, ExchangeResult, LeaseRequest
from tests.contract.limiter.conftest import Subject

TTL_S = 0.2
SLOW = 1e-6  # credits a second: nothing refills within a test
numbers = itertools.count(1)


def rate(capacity: int = 100, per_s: float = SLOW) -> BucketSpec:
    return BucketSpec("acme|generate|requests", BucketKind.RATE, capacity, per_s)


def budget(capacity: int = 100, spent: int = 0) -> BucketSpec:
    return BucketSpec(
        "acme|budget|tokens|2033-01-01", BucketKind.BUDGET, capacity, until=2e9, spent=spent
    )


def slots(capacity: int = 10) -> BucketSpec:
    return BucketSpec("acme|slots", BucketKind.SLOTS, capacity)


class Replica:
    """Asks in order, acknowledging what arrived."""

    def __init__(self, subject: Subject, name: str) -> None:
        self._subject, self._name = subject, name
        self.acked, self.epoch = 0, ""

    async def ask(self, spec: BucketSpec, *, lost: bool = False, **fields: int) -> ExchangeResult:
        number = next(numbers)
        exchange = await self._subject.authority.exchange(
            self._name, self.epoch, TTL_S, [LeaseRequest(spec, number, self.acked, **fields)]
        )
        if not lost:
            self.acked, self.epoch = number, exchange.epoch
        return exchange

    async def credits(self, spec: BucketSpec, **fields: int) -> int:
        return (await self.ask(spec, **fields)).grants[0].credits


@pytest.fixture
def a(subject: Subject) -> Replica:
    return Replica(subject, "a")


@pytest.fixture
def b(subject: Subject) -> Replica:
    return Replica(subject, "b")


async def test_a_new_rate_bucket_is_full(a: Replica) -> None:
    assert await a.credits(rate(100), need=100, waiting=100, want=100) == 100
    assert await a.credits(rate(100), need=1, waiting=1, want=1) == 0


async def test_a_denial_says_when_there_will_be_room(a: Replica) -> None:
    await a.ask(rate(10, 0.1), need=10, want=10)
    denied = (await a.ask(rate(10, 0.1), need=2, want=2)).grants[0]

    assert denied.credits == 0
    assert denied.retry_after_s == pytest.approx(20, abs=0.5)


async def test_need_is_all_or_nothing(a: Replica) -> None:
    await a.ask(rate(10), need=7, want=7)

    assert await a.credits(rate(10), need=4, waiting=4, want=4) == 0
    assert await a.credits(rate(10), need=3, waiting=3, want=3) == 3


async def test_a_grant_tells_what_other_replicas_hold(a: Replica, b: Replica) -> None:
    await a.ask(budget(), need=30, waiting=30, want=30)
    await b.ask(budget(), need=20, waiting=20, want=20)

    grant = (await a.ask(budget(), holding=10, need=5, waiting=5, want=5)).grants[0]
    assert (grant.level, grant.elsewhere) == (45, 20)
    grant = (await b.ask(budget(), holding=0)).grants[0]
    assert (grant.level, grant.elsewhere) == (45, 15)


async def test_those_in_line_get_what_there_is_once_the_first_fits(a: Replica) -> None:
    await a.ask(rate(10), need=7, want=7)

    assert await a.credits(rate(10), need=1, waiting=8, want=8) == 3


async def test_what_is_wanted_ahead_is_bounded_by_a_share(a: Replica, b: Replica) -> None:
    await b.ask(rate(1000))
    ahead = await a.credits(rate(1000), need=1, waiting=1, want=1000)

    assert 1 < ahead <= 501


async def test_small_limits_are_not_leased_ahead(a: Replica, b: Replica) -> None:
    await b.ask(rate(3))

    assert await a.credits(rate(3), need=1, waiting=1, want=3) == 1


async def test_a_grant_that_never_arrived_is_taken_back(a: Replica) -> None:
    await a.ask(rate(10), need=10, want=10, lost=True)

    assert await a.credits(rate(10), need=10, want=10) == 10


async def test_what_came_back_counts_once_though_it_is_told_twice(a: Replica) -> None:
    await a.ask(rate(10), need=10, want=10)
    await a.ask(rate(10), adjust=4, lost=True)

    assert (await a.ask(rate(10), adjust=4)).grants[0].level == 4


async def test_a_late_ask_changes_nothing(subject: Subject) -> None:
    first, second = next(numbers), next(numbers)
    exchange = subject.authority.exchange
    await exchange("a", "", TTL_S, [LeaseRequest(rate(10), second, 0, need=4, want=4)])
    late = await exchange(
        "a", "", TTL_S, [LeaseRequest(rate(10), first, 0, adjust=9, need=6, want=6)]
    )

    assert late.grants[0].credits == 0
    again = LeaseRequest(rate(10), next(numbers), second, holding=4)
    assert (await exchange("a", "", TTL_S, [again])).grants[0].level == 6


async def test_debt_is_paid_before_anything_is_granted(a: Replica) -> None:
    await a.ask(rate(10), adjust=-15)

    denied = (await a.ask(rate(10, 1.0), need=1, want=1)).grants[0]
    assert denied.retry_after_s == pytest.approx(6, abs=0.3)


async def test_what_comes_back_never_exceeds_the_capacity(a: Replica, b: Replica) -> None:
    await a.ask(rate(10), need=4, want=4)
    await b.ask(rate(10), adjust=100)

    assert await b.credits(rate(10), need=7, want=7) == 0
    assert await b.credits(rate(10), need=6, want=6) == 6


async def test_an_expired_rate_lease_counts_as_spent(
    subject: Subject, a: Replica, b: Replica
) -> None:
    await a.ask(rate(10), need=6, want=6)
    await subject.pass_time(3.2 * TTL_S)

    assert (await b.ask(rate(10))).grants[0].level == 4


async def test_credits_that_only_the_replica_remembers_are_charged(
    subject: Subject, a: Replica, b: Replica
) -> None:
    await a.ask(rate(10), need=4, want=4)
    await subject.pass_time(3.2 * TTL_S)
    await b.ask(rate(10))
    await a.ask(rate(10), holding=4)

    assert (await b.ask(rate(10))).grants[0].level == 2


async def test_the_rest_of_an_expired_budget_lease_can_be_returned(
    subject: Subject, a: Replica, b: Replica
) -> None:
    await a.ask(budget(), need=40, waiting=40, want=40)
    await subject.pass_time(2 * TTL_S)
    expired = (await b.ask(budget())).grants[0]
    assert (expired.level, expired.elsewhere) == (60, 40)

    await a.ask(budget(), adjust=30)
    returned = (await b.ask(budget())).grants[0]
    assert (returned.level, returned.elsewhere) == (90, 0)


async def test_a_late_report_of_an_expired_budget_lease_charges_only_what_was_consumed(
    subject: Subject, a: Replica
) -> None:
    await a.ask(budget(), need=40, waiting=40, want=40)
    await subject.pass_time(2 * TTL_S)

    assert (await a.ask(budget(), holding=30)).grants[0].level == 60
    assert (await a.ask(budget(), adjust=30)).grants[0].level == 90


async def test_a_budget_grant_that_never_arrived_is_taken_back_after_its_lease_too(
    subject: Subject, a: Replica
) -> None:
    await a.ask(budget(), need=40, waiting=40, want=40, lost=True)
    await subject.pass_time(2 * TTL_S)

    assert (await a.ask(budget())).grants[0].level == 100


async def test_slots_of_a_silent_replica_come_back_after_one_lease(
    subject: Subject, a: Replica, b: Replica
) -> None:
    await a.ask(slots(10), need=10, waiting=10, want=10)
    assert await b.credits(slots(10), need=1, want=1) == 0
    await subject.pass_time(3.2 * TTL_S)

    assert await b.credits(slots(10), need=10, want=10) == 10


async def test_slots_that_are_renewed_stay(subject: Subject, a: Replica, b: Replica) -> None:
    await a.ask(slots(10), need=10, waiting=10, want=10)
    for _ in range(4):
        await subject.pass_time(TTL_S)
        await a.ask(slots(10), holding=10)

    assert await b.credits(slots(10), need=1, want=1) == 0
    await a.ask(slots(10), holding=8)
    assert await b.credits(slots(10), need=2, want=2) == 2


async def test_a_budget_opens_with_what_the_ledger_knows(a: Replica, b: Replica) -> None:
    unknown = (await a.ask(budget(100, spent=-1), need=1, want=1)).grants[0]
    assert (unknown.known, unknown.credits) == (False, 0)

    opened = (await a.ask(budget(100, spent=30), need=70, want=70)).grants[0]
    assert (opened.known, opened.credits) == (True, 70)

    refused = (await b.ask(budget(100, spent=0), need=1, want=1)).grants[0]
    assert (refused.known, refused.credits) == (True, 0)
    assert refused.retry_after_s > 86_400


async def test_a_plan_that_allows_more_raises_an_open_budget(a: Replica) -> None:
    await a.ask(budget(100), need=100, want=100)

    assert await a.credits(budget(150), need=50, want=50) == 50


async def test_a_plan_that_allows_less_lowers_the_bucket(a: Replica) -> None:
    await a.ask(rate(100))

    assert (await a.ask(rate(10))).grants[0].level == 10


async def test_after_a_loss_of_state_rates_start_empty(subject: Subject, a: Replica) -> None:
    await a.ask(rate(10), need=4, want=4)
    before = a.epoch
    subject.lose_state()
    exchange = await a.ask(rate(10), holding=4, need=1, want=1)

    assert exchange.epoch != before
    assert exchange.grants[0].credits == 0


async def test_a_newcomer_that_meets_lost_state_first_does_not_hide_the_loss(
    subject: Subject, a: Replica, b: Replica
) -> None:
    await a.ask(rate(10), need=4, want=4)
    subject.lose_state()
    await b.ask(rate(10))
    await a.ask(rate(10), holding=4)

    assert await b.credits(rate(10), need=1, want=1) == 0


async def test_after_a_loss_slots_are_only_renewed_for_one_lease(
    subject: Subject, a: Replica, b: Replica
) -> None:
    await a.ask(slots(10), need=6, waiting=6, want=6)
    await b.ask(slots(10))
    subject.lose_state()
    await a.ask(slots(10), holding=6)
    refused = (await b.ask(slots(10), need=1, want=1)).grants[0]
    assert refused.credits == 0
    assert refused.retry_after_s > 0

    await subject.pass_time(2.0 * TTL_S)
    await a.ask(slots(10), holding=6)
    await subject.pass_time(1.2 * TTL_S)
    assert await b.credits(slots(10), need=5, want=5) == 0
    assert await b.credits(slots(10), need=4, want=4) == 4


async def test_after_a_loss_budgets_wait_for_the_ledger_and_keep_what_is_reserved(
    subject: Subject, a: Replica
) -> None:
    await a.ask(budget(100), need=60, want=60)
    subject.lose_state()
    learning = (await a.ask(budget(100, spent=10), need=1, want=1)).grants[0]
    assert (learning.known, learning.credits) == (False, 0)
    assert learning.retry_after_s > 0.01

    await a.ask(budget(100, spent=-1), adjust=-60)  # still reserved, and not in the ledger
    await subject.pass_time(3.2 * TTL_S)
    assert (await a.ask(budget(100, spent=10))).grants[0].level == 30


async def test_replicas_are_counted_while_they_ask(
    subject: Subject, a: Replica, b: Replica
) -> None:
    await a.ask(rate())
    assert (await b.ask(rate())).replicas == 2
    await subject.pass_time(9 * TTL_S)
    assert (await b.ask(rate())).replicas == 1


async def test_one_exchange_settles_many_buckets_in_order(subject: Subject) -> None:
    requests = [
        LeaseRequest(rate(10), next(numbers), 0, need=3, want=3),
        LeaseRequest(slots(2), next(numbers), 0, need=1, want=1),
        LeaseRequest(budget(9), next(numbers), 0, need=9, want=9),
    ]
    exchange = await subject.authority.exchange("a", "", TTL_S, requests)

    assert [(g.number, g.credits, g.level) for g in exchange.grants] == [
        (requests[0].number, 3, 7),
        (requests[1].number, 1, 1),
        (requests[2].number, 9, 0),
    ]
