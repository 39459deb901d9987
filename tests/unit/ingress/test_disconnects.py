"""When a client has left, and when that ends its request."""

import asyncio
from types import SimpleNamespace

import pytest
from starlette.types import Message, Receive, Scope, Send

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import DeadlineExceeded, Overloaded, RequestTimeout
from deployments.ingress.context import STATE_KEY, RequestState
from deployments.ingress.http.disconnects import WATCHED_AFTER_S
from deployments.ingress.http.middleware.limits import (
    GRACE_S,
    LimitedRequests,
    RequestLimits,
)
from deployments.ingress.http.serve_bypass import SERVER_CYCLE
from load_tests.benchmarks.common.virtual_time import run_in_virtual_time
from tests.cluster.polling import eventually

BODY = b'{"model":"echo"}'


class Work:
    """An application that receives the body, then works until it may go on."""

    def __init__(self, *, reads: bool = True) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()
        self.was_cancelled = self.has_ended = False
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._reads:
            while (await receive()).get("more_body", False):
                pass
        self.began.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        self.has_ended = True


class Connection:
    """One request over a connection that the test ends."""

    def __init__(
        self, work: Work, method: str = "POST", timeout_s: float = 60, cycle: object = None
    ) -> None:
        self.state = RequestState()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        limits = RequestLimits(1_000, timeout_s, 60, 10)
        scope = {"type": "http", "method": method, "path": "/x", "headers": []}
        if cycle is not None:
            scope[SERVER_CYCLE] = cycle
        served = LimitedRequests(work, limits, SystemClock())
        self.request = asyncio.create_task(
            served({**scope, STATE_KEY: self.state}, self._messages.get, self._send)
        )

    async def _send(self, message: Message) -> None: ...

    def send_body(self, *, more: bool = False) -> None:
        self._messages.put_nowait({"type": "http.request", "body": BODY, "more_body": more})

    @property
    def is_watched(self) -> bool:
        return bool(self._messages._getters)  # type: ignore[attr-defined]

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


async def ended(request: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(60):
        await asyncio.wait([request])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("waits_s", [0, 4 * WATCHED_AFTER_S])
async def test_a_client_that_leaves_cancels_its_request(method: str, waits_s: float) -> None:
    work = Work(reads=method == "POST")
    connection = Connection(work, method)
    if method == "POST":
        connection.send_body()
    await work.began.wait()
    await asyncio.sleep(waits_s)

    connection.leave()
    await ended(connection.request)

    assert work.was_cancelled
    assert connection.request.exception() is None, "the server is not told of a failure"


def test_a_client_is_noticed_to_have_left_within_ten_milliseconds() -> None:
    """In simulated time; one that leaves later, once it is watched, at once."""

    async def run() -> None:
        for waits_s in (0.0, 0.004, 0.006, 1.0):
            loop, work = asyncio.get_running_loop(), Work()
            connection = Connection(work)
            connection.send_body()
            await work.began.wait()
            await asyncio.sleep(waits_s)
            left = loop.time()
            connection.leave()
            await ended(connection.request)

            assert work.was_cancelled
            assert loop.time() - left <= max(0.0, 2 * WATCHED_AFTER_S - waits_s) + 1e-6

    run_in_virtual_time(run())


def test_a_server_that_says_who_has_left_is_asked_at_first_in_place_of_a_task() -> None:
    """In simulated time."""

    async def run() -> None:
        for waits_s in (0.0, 0.004, 0.05, 0.08):
            loop, work, cycle = asyncio.get_running_loop(), Work(), SimpleNamespace()
            cycle.disconnected = False
            connection = Connection(work, cycle=cycle)
            connection.send_body()
            await work.began.wait()
            await asyncio.sleep(waits_s)
            assert not connection.is_watched
            left, cycle.disconnected = loop.time(), True
            await ended(connection.request)

            assert work.was_cancelled
            assert connection.request.exception() is None
            assert loop.time() - left <= 2 * WATCHED_AFTER_S + 1e-6

    run_in_virtual_time(run())


def test_a_long_request_has_a_task_that_sees_its_client_leave_at_once() -> None:
    async def run() -> None:
        loop, work = asyncio.get_running_loop(), Work()
        connection = Connection(work, cycle=SimpleNamespace(disconnected=False))
        connection.send_body()
        await asyncio.sleep(0.2)
        assert connection.is_watched
        left = loop.time()
        connection.leave()
        await ended(connection.request)

        assert work.was_cancelled
        assert loop.time() == left

    run_in_virtual_time(run())


async def test_a_request_that_is_over_soon_costs_no_task() -> None:
    before = asyncio.all_tasks()
    work = Work()
    connection = Connection(work)
    connection.send_body()
    await work.began.wait()

    assert asyncio.all_tasks() - before == {connection.request}
    work.may_end.set()
    await ended(connection.request)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_client_that_leaves_a_watched_request_cancels_it_within_three_turns_of_the_loop(
    method: str,
) -> None:
    work = Work(reads=method == "POST")
    connection = Connection(work, method)
    if method == "POST":
        connection.send_body()
    await work.began.wait()
    await eventually(lambda: connection.is_watched)

    connection.leave()
    for _ in range(3):
        await asyncio.sleep(0)

    assert work.was_cancelled
    await ended(connection.request)
    assert connection.request.exception() is None, "the server is not told of a failure"


async def test_what_is_left_to_do_after_a_complete_response_is_not_cancelled() -> None:
    """Usage is recorded then. The server gives `http.disconnect` after each response."""
    work = Work()
    connection = Connection(work)
    connection.send_body()
    await work.began.wait()
    connection.state.response.is_complete = True
    connection.leave()
    await asyncio.sleep(0.01)
    work.may_end.set()
    await ended(connection.request)

    assert work.has_ended


async def test_a_body_is_received_by_the_application_alone() -> None:
    work = Work()
    connection = Connection(work)
    for more in (True, True, False):
        connection.send_body(more=more)
    work.may_end.set()
    await ended(connection.request)

    assert work.has_ended
    assert connection._messages.empty()


async def test_a_cancellation_from_outside_stays_one() -> None:
    work = Work()
    connection = Connection(work)
    connection.send_body()
    await work.began.wait()
    connection.request.cancel()
    await ended(connection.request)

    assert connection.request.cancelled()


async def test_a_deadline_stays_a_deadline() -> None:
    work = Work(reads=False)
    connection = Connection(work, "GET", timeout_s=0.01)
    await ended(connection.request)

    assert isinstance(connection.request.exception(), DeadlineExceeded)


async def test_no_watch_outlives_its_request() -> None:
    before = asyncio.all_tasks()
    work = Work()
    connection = Connection(work)
    connection.send_body()
    work.may_end.set()
    await ended(connection.request)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("timeout_s", [0.001, 0.01, 5.0])
def test_the_time_for_the_response_begins_with_the_end_of_the_body(timeout_s: float) -> None:
    """In simulated time: the body has `timeout_s`, then the response, and two seconds of grace."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        connection = Connection(Work(), timeout_s=timeout_s)
        await asyncio.sleep(0.6 * timeout_s)
        connection.send_body()
        began = loop.time()
        await ended(connection.request)

        assert isinstance(connection.request.exception(), DeadlineExceeded)
        assert loop.time() - began == pytest.approx(timeout_s + GRACE_S, abs=1e-3)

    run_in_virtual_time(run())


@pytest.mark.parametrize("timeout_s", [0.001, 0.01, 5.0])
def test_a_body_that_does_not_come_ends_its_request_in_time(timeout_s: float) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        connection = Connection(Work(), timeout_s=timeout_s)
        await ended(connection.request)

        assert isinstance(connection.request.exception(), RequestTimeout)
        assert loop.time() - began == pytest.approx(timeout_s, abs=1e-3)

    run_in_virtual_time(run())


def test_a_response_whose_limit_was_lifted_takes_as_long_as_it_takes() -> None:
    async def run() -> None:
        work = Work()
        connection = Connection(work, timeout_s=5.0)
        connection.send_body()
        await work.began.wait()
        assert connection.state.lift_deadline is not None
        connection.state.lift_deadline()
        await asyncio.sleep(100)
        assert not connection.request.done()
        work.may_end.set()
        await ended(connection.request)

        assert work.has_ended

    run_in_virtual_time(run())


async def test_a_deadline_that_became_another_error_leaves_the_task_uncancelled() -> None:
    async def convert(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            raise Overloaded("of another kind") from None

    limits = RequestLimits(1_000, 0.001, 60, 10)
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": []}
    served = LimitedRequests(convert, limits, SystemClock())
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(Overloaded):
        await served({**scope, STATE_KEY: RequestState()}, asyncio.Event().wait, Connection._send)  # type: ignore[arg-type]

    assert task.cancelling() == 0
