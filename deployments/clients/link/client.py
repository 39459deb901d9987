"""The client's end of a link: calls out, answers in, each within its deadline.

In: calls of an ingress replica. Out: results and items as plain values (values.py), or Problems:
the replica's own, DeadlineExceeded at the call's deadline, ReplicaLost when the link ends.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from cluster.resilience.failure_class import ReplicaLost
from cluster.runtime.problems import ClientGone, DeadlineExceeded, ModelFailed, Problem
from cluster.runtime.shared_timers import SharedTimer, SharedTimers
from deployments.clients.link import frames
from deployments.clients.link.client_state import ClientState
from deployments.clients.link.errors import LinkError, ProtocolFault
from deployments.clients.link.options import ACCEPT
from deployments.clients.link.transport import LinkConnection
from deployments.clients.link.values import ValueFault, decode_problem

# Gets the bodies of items; returns how many of them, from the first on, it has taken.
ItemSink = Callable[[Sequence[Any]], int]
END: Final = object()  # in place of an item: the stream has ended


class LinkCall:
    """One call. For a stream, `next_item` until it gives END; else `result`.

    `on_accepted` is called with the first sign of life, `on_over` once, at the end of the call.
    `tells`: the replica gives a sign of life before its answer. After the deadline, items that have
    come are still given, then DeadlineExceeded.
    """

    __slots__ = (
        "_connection",
        "_items",
        "_on_accepted",
        "_on_over",
        "_problem",
        "_result",
        "_sink",
        "_taken",
        "_timer",
        "_timeout_s",
        "_waiter",
        "_window",
        "accepted",
        "number",
        "over",
        "tells",
    )

    def __init__(
        self,
        connection: "ClientConnection",
        number: int,
        timeout_s: float,
        window: int,
        on_accepted: Callable[[], object] | None,
        on_over: Callable[[], object] | None,
    ) -> None:
        self.number = number
        self.accepted = self.over = False
        self._connection = connection
        self._timeout_s = timeout_s
        self._window = window
        self._on_accepted = on_accepted
        self._on_over = on_over
        self._items: deque[Any] = deque()
        self._taken = 0
        self._result: Any = None
        self._problem: Problem | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sink: ItemSink | None = None
        self.tells = connection.tells
        self._timer = connection.call_later(timeout_s, self._pass_deadline)

    async def result(self) -> Any:
        """The result's plain value. Raises Problems."""
        while not self.over:
            await self._wait()
        if self._problem is not None:
            raise self._problem
        return self._result

    async def next_item(self) -> Any:
        """The plain value of the next item, or END. Raises Problems."""
        items = self._items
        while not items:
            if self.over:
                if self._problem is not None:
                    raise self._problem
                return END
            await self._wait()
        self._count_taken(1)
        return items.popleft()

    async def relay(self, sink: ItemSink) -> None:
        """Passes items to `sink` as they come, until there is one that it does not take, or the
        end: `next_item` gives these."""
        if self._items or self.over:
            return
        self._sink = sink
        try:
            await self._wait()
        finally:
            self._sink = None

    def cancel(self) -> None:
        """The caller has left: ends the call at the replica; may be repeated."""
        if not self.over:
            self.give_up(ClientGone("The caller has left."))

    def give_up(self, problem: Problem) -> None:
        """Ends the call at the replica; who waits for it gets the problem."""
        if not self.over:
            self._connection.cancel(self)
            self.end(problem=problem)

    # Called by the connection.

    def accept(self) -> None:
        if not self.accepted:
            self.accepted = True
            if self._on_accepted is not None:
                self._on_accepted()

    def add(self, bodies: Sequence[Any]) -> None:
        self.accept()
        sink = self._sink
        if sink is not None:
            taken = sink(bodies)
            self._count_taken(taken)
            if taken == len(bodies):
                return
            self._sink = None
            bodies = bodies[taken:]
        self._items.extend(bodies)
        self._wake()

    def end(self, result: Any = None, problem: Problem | None = None) -> None:
        if self.over:
            return
        self.over = True
        self._result, self._problem = result, problem
        self._timer.cancel()
        if self._on_over is not None:
            self._on_over()
        self._wake()

    def _count_taken(self, items: int) -> None:
        self._taken += items
        if 2 * self._taken >= self._window and not self.over:
            self._connection.grant(self, self._taken)
            self._taken = 0

    def _pass_deadline(self) -> None:
        target, limit_s = self._connection.target, round(self._timeout_s, 3)
        self.give_up(DeadlineExceeded(target, limit_s))

    async def _wait(self) -> None:
        self._waiter = self._connection.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class ClientConnection(LinkConnection):
    """`target` is named in problems: the model's id. `welcomed` is done after the handshake."""

    def __init__(self, state: ClientState, target: str) -> None:
        super().__init__(state)
        self.target = target
        self.welcomed: asyncio.Future[None] = self._loop.create_future()
        self.idle = asyncio.Event()  # set while no call is open
        self.idle.set()
        self._client = state
        self._calls: dict[int, LinkCall] = {}
        self.tells = False
        self._timers = SharedTimers()
        self.create_future = self._loop.create_future

    def call_later(self, seconds: float, callback: Callable[[], object]) -> SharedTimer:
        return SharedTimer(self._timers, self._loop.time() + seconds, callback)

    @property
    def takes_calls(self) -> bool:
        return self._client.takes_calls

    @property
    def open_calls(self) -> int:
        return len(self._calls)

    def offers(self, method: str) -> bool:
        """Whether the replica, perhaps of another version, has this method."""
        return method in self._client.methods

    def call(
        self,
        method: str,
        body: object,
        timeout_s: float,
        *,
        streams: bool = False,
        on_accepted: Callable[[], object] | None = None,
        on_over: Callable[[], object] | None = None,
    ) -> LinkCall:
        """Raises LinkClosed, or MessageTooLarge where the link cannot carry the request."""
        client = self._client
        window = client.options.window if streams else 0
        number = client.open(method, timeout_s, window, frames.encode_body(body))
        call = LinkCall(self, number, timeout_s, window, on_accepted, on_over)
        self._calls[number] = call
        self.idle.clear()
        self._schedule_flush()
        return call

    def grant(self, call: LinkCall, items: int) -> None:
        self._client.grant(call.number, items)
        self._schedule_flush()

    def cancel(self, call: LinkCall) -> None:
        self._client.cancel(call.number)
        self._forget(call.number)
        self._schedule_flush()

    def _handle(self, messages: Sequence[frames.Message]) -> None:
        for message in messages:
            kind = type(message)
            if kind is frames.Welcome:
                self.tells = ACCEPT in self._client.features
                if not self.welcomed.done():
                    self.welcomed.set_result(None)
            elif kind is not frames.GoAway:
                self._handle_answer(message, kind)

    def _handle_answer(self, message: Any, kind: type) -> None:
        call = self._calls.get(message.call)
        if call is None:
            return
        if kind is frames.Item:
            call.add((message.body,))
        elif kind is frames.Items:
            call.add(message.bodies)
        elif kind is frames.Accept:
            call.accept()
        else:
            call.accept()
            self._forget(message.call)
            if kind is frames.End:
                call.end(message.body)
            else:
                call.end(problem=self._problem(message.problem))

    def _problem(self, body: Any) -> Problem:
        try:
            return decode_problem(body)
        except ValueFault as fault:
            self._state.fail(ProtocolFault(str(fault)))
            return ModelFailed(self.target)

    def _forget(self, number: int) -> None:
        self._calls.pop(number, None)
        if not self._calls:
            self.idle.set()

    def _ended(self, error: LinkError) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(error)
            self.welcomed.exception()  # it may have no waiter any more
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.end(problem=ReplicaLost(self.target, "The link to a replica has ended."))
        self.idle.set()
