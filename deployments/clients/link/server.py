"""The server's end of a link: runs the replica's methods for the calls that come.

In: calls of ingress replicas. Out: results, items as the client takes them, problems.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from cluster.runtime.background import create_detached_task
from cluster.runtime.problems import DeadlineExceeded, ModelFailed, Problem
from deployments.clients.link import frames
from deployments.clients.link.errors import LinkError, MessageTooLarge
from deployments.clients.link.methods import Handlers, LinkMethod, RelayedStream
from deployments.clients.link.server_state import ServerState
from deployments.clients.link.text_pieces import Piece, text_piece
from deployments.clients.link.transport import LinkConnection
from deployments.clients.link.values import ValueFault, encode_problem

# A method enforces its deadline itself; one that does not is ended so much later.
_OVERTIME_S = 1.0

logger = logging.getLogger("mobula.model")


class RunningCall:
    """`credited` wakes a stream that has no credit."""

    __slots__ = ("credited", "deadline", "task", "timeout_s")

    def __init__(self, timeout_s: float, deadline: float) -> None:
        self.timeout_s = timeout_s
        self.deadline = deadline
        self.credited: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None


class ServerConnection(LinkConnection):
    """`handlers` is by method: what it gives or yields is an answer or a Problem.

    A call is a task in an empty context. It is cancelled when its caller leaves or the link ends.
    """

    def __init__(
        self,
        state: ServerState,
        target: str,
        handlers: Handlers,
        on_welcomed: Callable[["ServerConnection", str], object],
        on_ended: Callable[["ServerConnection"], object],
    ) -> None:
        """`target` is named in problems: the model's id. `on_welcomed` gets the id of the link once
        the client has proved to have its secret."""
        super().__init__(state)
        self._server = state
        self._target = target
        self._handlers = {method.name: (method, handler) for method, handler in handlers.items()}
        self._on_welcomed = on_welcomed
        self._on_ended = on_ended
        self._calls: dict[int, RunningCall] = {}
        self._unaccepted: list[int] = []
        self._flushed_at = 0.0
        self._held: asyncio.TimerHandle | None = None  # writes pieces that are held

    @property
    def open_calls(self) -> int:
        return len(self._calls)

    @property
    def welcomed(self) -> bool:
        return self._server.ready

    def go_away(self) -> None:
        """Take no new calls; those that are open go on."""
        self._server.go_away()
        self._schedule_flush()

    def _handle(self, messages: Sequence[frames.Message]) -> None:
        for message in messages:
            if isinstance(message, frames.Open):
                self._start(message)
            elif isinstance(message, frames.Credit):
                self._wake(self._calls.get(message.call))
            elif isinstance(message, frames.CancelCall):
                self._cancel(self._calls.pop(message.call, None))
            elif isinstance(message, frames.Hello):
                self._on_welcomed(self, message.link)

    def _start(self, message: frames.Open) -> None:
        call = RunningCall(message.timeout_s, self._loop.time() + message.timeout_s)
        number = message.call
        self._calls[number] = call
        call.task = create_detached_task(self._run(message, call), loop=self._loop)
        if not self._unaccepted:
            self._loop.call_later(self._server.options.accept_s, self._accept)
        self._unaccepted.append(number)

    def _accept(self) -> None:
        numbers, self._unaccepted = self._unaccepted, []
        for number in numbers:
            self._server.accept(number)
        if self.alive:
            self._schedule_flush()

    async def _run(self, message: frames.Open, call: RunningCall) -> None:
        number = message.call
        method, handler = self._handlers[message.method]
        try:
            try:
                request = method.request.decode(message.body)
                if isinstance(handler, RelayedStream):
                    relay = _ItemRelay(self, number, handler.hold_s())
                    await self._stream(number, call, method, handler.begin(request, relay))
                elif method.streams:
                    await self._stream(number, call, method, handler(request))
                else:
                    self._answer(number, method, await handler(request))
            except (ValueFault, MessageTooLarge) as error:
                logger.error("a call could not be carried: %s", error)
                self._fail(number, self._not_carried())
            except Problem as problem:
                self._fail(number, problem)
            except Exception:
                logger.exception("a call over a link failed")
                self._fail(number, ModelFailed(self._target))
        finally:
            self._calls.pop(number, None)

    def _answer(self, number: int, method: LinkMethod[Any, Any], answer: Any) -> None:
        if isinstance(answer, Problem):
            self._fail(number, answer)
            return
        self._server.end(number, frames.encode_body(method.answer.encode(answer)))
        self._schedule_flush()

    async def _stream(
        self,
        number: int,
        call: RunningCall,
        method: LinkMethod[Any, Any],
        items: AsyncGenerator[Any, None],
    ) -> None:
        encode, server = method.answer.encode, self._server
        async with aclosing(items):
            async for item in items:
                if isinstance(item, Problem):
                    self._fail(number, item)
                    return
                if not server.credit(number) or not self._writable.is_set():
                    await self._wait_for_reader(number, call)
                server.item(number, frames.encode_body(encode(item)))
                self._schedule_flush()
        server.end(number)
        self._schedule_flush()

    async def _wait_for_reader(self, number: int, call: RunningCall) -> None:
        """Until the reader takes more items. Raises DeadlineExceeded: until then, it holds a place
        in the model's queue."""
        try:
            async with asyncio.timeout_at(call.deadline):
                while not self._server.credit(number):
                    call.credited = self._loop.create_future()
                    await call.credited
                await self._writable.wait()
        except TimeoutError:
            raise DeadlineExceeded("reader", round(call.timeout_s, 3)) from None

    def takes_item(self, number: int) -> bool:
        """Whether an item of the call may be sent at once."""
        return self._server.credit(number) > 0 and self._writable.is_set()

    def send_piece(self, number: int, piece: Piece, hold_s: float) -> None:
        """A chunk that is text only, of a call that takes an item. What is written within `hold_s`
        after the last write goes together."""
        try:
            self._server.item(number, frames.encode_body(piece))
        except (ValueError, MessageTooLarge) as error:
            logger.error("an item could not be carried: %s", error)
            self._fail(number, self._not_carried())
            self._cancel(self._calls.pop(number, None))
        if self._flushing or self._held is not None:
            return
        due = self._flushed_at + hold_s
        if self._loop.time() >= due:
            self._schedule_flush()
        else:
            self._held = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
        self._flushed_at = self._loop.time()
        super()._flush()

    def _fail(self, number: int, problem: Problem) -> None:
        try:
            body = frames.encode_body(encode_problem(problem))
        except (TypeError, ValueError, OverflowError):
            body = frames.encode_body(encode_problem(ModelFailed(self._target, problem.detail)))
        try:
            self._server.answer_failure(number, body)
        except MessageTooLarge:
            short = encode_problem(self._not_carried())
            self._server.answer_failure(number, frames.encode_body(short))
        self._schedule_flush()

    def _not_carried(self) -> ModelFailed:
        return ModelFailed(self._target, f"The answer of '{self._target}' could not be carried.")

    def _after_tick(self) -> None:
        """Ends calls whose method has not kept its deadline."""
        now = self._loop.time()
        for number, call in tuple(self._calls.items()):
            if now > call.deadline + _OVERTIME_S:
                self._calls.pop(number, None)
                self._fail(number, DeadlineExceeded("model", round(call.timeout_s, 3)))
                self._cancel(call)

    def _ended(self, error: LinkError) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            self._cancel(call)
        if self._held is not None:
            self._held.cancel()
            self._held = None
        self._on_ended(self)

    def _cancel(self, call: RunningCall | None) -> None:
        if call is not None and call.task is not None:
            call.task.cancel()

    def _wake(self, call: RunningCall | None) -> None:
        if call is not None and call.credited is not None and not call.credited.done():
            call.credited.set_result(None)


class _ItemRelay:
    """The TextRelay of one call."""

    __slots__ = ("_connection", "_hold_s", "_number")

    def __init__(self, connection: ServerConnection, number: int, hold_s: float) -> None:
        self._connection = connection
        self._number = number
        self._hold_s = hold_s

    def takes(self, index: int) -> bool:
        return self._connection.takes_item(self._number)

    def take(self, index: int, text: str, tokens: int) -> None:
        self._connection.send_piece(self._number, text_piece(index, text, tokens), self._hold_s)
