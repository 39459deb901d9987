"""When a model is left alone, and how it is found out whether it is back."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cluster.resilience.breaker import CircuitBreaker
from cluster.resilience.spec import BreakerSpec
from cluster.runtime.clock import ManualClock

SPEC = BreakerSpec(
    window_s=10, min_requests=10, failures=0.5, slow=0.9, slow_s=2, open_s=5, longest_open_s=30,
    probes=2, lease_s=4,
)  # fmt: skip


def breaker(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker(SPEC, clock)


def answer(breaker: CircuitBreaker, seconds: float = 0.1) -> None:
    lease = breaker.try_acquire()
    assert lease is not None
    breaker.record(lease, failed=False, seconds=seconds)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        lease = breaker.try_acquire()
        assert lease is not None
        breaker.record(lease, failed=True, seconds=0.1)


def opened(clock: ManualClock) -> CircuitBreaker:
    found = breaker(clock)
    fail(found, SPEC.min_requests)
    return found


def test_it_opens_at_its_minimum_volume_and_not_before() -> None:
    found = breaker(ManualClock())
    fail(found, SPEC.min_requests - 1)
    assert found.closed
    fail(found)
    assert found.figures().state == "open"
    assert found.try_acquire() is None


def test_a_closed_breaker_is_ready_and_an_open_one_after_its_pause() -> None:
    clock = ManualClock()
    assert breaker(clock).ready
    tripped = opened(clock)
    assert not tripped.ready
    clock.advance(SPEC.open_s)
    assert tripped.ready


def test_failures_that_take_turns_with_answers_open_it() -> None:
    found = breaker(ManualClock())
    for _ in range(SPEC.min_requests // 2):
        answer(found)
        fail(found)
    assert not found.closed


def test_a_share_of_failures_below_the_limit_does_not() -> None:
    found = breaker(ManualClock())
    for _ in range(30):
        answer(found)
        answer(found)
        fail(found)
    assert found.closed


def test_failures_that_have_left_the_window_count_no_more() -> None:
    clock = ManualClock()
    found = breaker(clock)
    fail(found, SPEC.min_requests - 1)
    clock.advance(SPEC.window_s)
    fail(found)
    assert found.closed
    assert found.figures().attempts == 1


def test_answers_that_are_nearly_all_slow_open_it() -> None:
    found = breaker(ManualClock())
    answer(found)
    for _ in range(8):
        answer(found, seconds=3)
    assert found.closed
    answer(found, seconds=3)
    assert not found.closed


def test_what_says_nothing_of_the_model_is_not_counted() -> None:
    found = breaker(ManualClock())
    for _ in range(100):
        lease = found.try_acquire()
        assert lease is not None
        found.release(lease)
    assert found.closed
    assert found.figures().attempts == 0


def test_it_closes_after_as_many_good_probes_as_it_says() -> None:
    clock = ManualClock()
    found = opened(clock)
    clock.advance(SPEC.open_s)
    assert found.figures().state == "half-open"
    answer(found)
    assert not found.closed
    answer(found)
    assert found.closed
    assert found.figures().probes == 2
    assert found.figures().attempts == 0


def test_a_bad_probe_opens_it_for_longer_each_time_up_to_a_limit() -> None:
    clock = ManualClock()
    found, times = opened(clock), []
    for _ in range(5):
        times.append(found.figures().open_for_s)
        clock.advance(times[-1])
        fail(found)
    assert times == [5, 10, 20, 30, 30]


def test_it_says_when_to_come_back() -> None:
    clock = ManualClock()
    found = opened(clock)
    clock.advance(2)
    assert found.figures().retry_after_s == 3
    assert found.figures().opened_at == clock.wall() - 2


def test_a_lost_lease_expires_and_its_end_counts_no_more() -> None:
    clock = ManualClock()
    found = opened(clock)
    clock.advance(SPEC.open_s)
    lost = [found.try_acquire(), found.try_acquire()]
    assert found.try_acquire() is None
    clock.advance(SPEC.lease_s)
    answer(found)
    for lease in lost:
        assert lease is not None
        found.record(lease, failed=False, seconds=0.1)
    assert not found.closed


def test_the_end_of_a_call_from_before_it_opened_is_no_probe() -> None:
    clock = ManualClock()
    found = breaker(clock)
    before = [found.try_acquire() for _ in range(5)]
    fail(found, SPEC.min_requests)
    clock.advance(SPEC.open_s)
    for lease in before:
        assert lease is not None
        found.record(lease, failed=False, seconds=0.1)
    assert not found.closed


def test_a_hint_lets_probes_through_at_once() -> None:
    found = opened(ManualClock())
    found.allow_probe()
    answer(found)
    answer(found)
    assert found.closed


@given(st.lists(st.booleans(), max_size=60))
def test_it_never_opens_below_its_share_or_its_volume(ends: list[bool]) -> None:
    found = breaker(ManualClock())
    for number, failed in enumerate(ends, start=1):
        lease = found.try_acquire()
        if lease is None:
            return
        found.record(lease, failed=failed, seconds=0.1)
        share = sum(ends[:number]) / number
        assert found.closed or (number >= SPEC.min_requests and share >= SPEC.failures)


class AnyOrder(RuleBasedStateMachine):
    """Whatever the order of calls, ends and time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.breaker = CircuitBreaker(SPEC, self.clock)
        self.leases: dict[int, float] = {}  # probes under way -> when they were let in
        self.good = 0  # probes in time since it opened last
        self.opened = 0
        self.was_closed = True

    @rule()
    def call(self) -> None:
        lease = self.breaker.try_acquire()
        assert lease == 0 or not self.breaker.closed
        if lease:
            self.leases[lease] = self.clock.monotonic()

    @rule(times=st.integers(1, 12), failed=st.booleans())
    def calls_of_before_end(self, times: int, failed: bool) -> None:
        for _ in range(times):
            self.breaker.record(0, failed=failed, seconds=0.1)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), failed=st.booleans())
    def probe_ends(self, data: st.DataObject, failed: bool) -> None:
        lease = data.draw(st.sampled_from(sorted(self.leases)))
        in_time = self.clock.monotonic() - self.leases.pop(lease) < SPEC.lease_s
        self.good += in_time and not failed
        self.breaker.record(lease, failed=failed, seconds=0.1)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def probe_says_nothing(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(sorted(self.leases)))
        del self.leases[lease]
        self.breaker.release(lease)

    @rule(seconds=st.floats(0.1, 20))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def few_probes_are_out_at_once(self) -> None:
        now = self.clock.monotonic()
        out = [began for began in self.leases.values() if now - began < SPEC.lease_s]
        assert len(out) <= SPEC.probes

    @invariant()
    def it_closes_only_after_good_probes(self) -> None:
        if self.breaker.opened != self.opened:
            self.opened, self.good = self.breaker.opened, 0
            self.leases.clear()
        if self.breaker.closed and not self.was_closed:
            assert self.good >= SPEC.probes
            self.leases.clear()
        self.was_closed = self.breaker.closed


TestAnyOrder = AnyOrder.TestCase


def test_it_counts_how_often_it_opened_and_closed() -> None:
    clock = ManualClock()
    tripped = opened(clock)
    clock.advance(SPEC.open_s)
    fail(tripped)
    clock.advance(2 * SPEC.open_s)
    for _ in range(SPEC.probes):
        answer(tripped)

    figures = tripped.figures()

    assert (figures.state, figures.opened, figures.closed) == ("closed", 2, 1)
