"""Calls of a model's replicas over links: a `ReplicaCaller`.

In: requests. Out: attempts at the replica that the balancing policy selects, over its link; by
handle where it has none.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from cluster.balancing.replica_set import ReplicaSet
from cluster.balancing.replica_state import Dispatch
from cluster.balancing.request_info import describe_request
from cluster.resilience.attempts import Attempt
from cluster.runtime.clock import Clock
from cluster.runtime.problems import ModelFailed, Problem
from deployments.clients.link.client import END, ClientConnection, LinkCall
from deployments.clients.link.errors import LinkError
from deployments.clients.link.methods import METHODS, SETTLE, LinkMethod
from deployments.clients.link.pool import LinkPool
from deployments.clients.link.text_pieces import is_text_piece
from deployments.clients.link.values import ValueFault
from deployments.clients.replica_caller import ReplicaCaller, ReplicaStream
from deployments.contracts.text_relay import TextRelay

logger = logging.getLogger("mobula.ingress")


class _Everywhere:
    def __contains__(self, replica: object) -> bool:
        return True


_EVERYWHERE: Final = _Everywhere()


class _LinkAttempt:
    """Implements `MonitoredAttempt` (cluster/resilience/liveness_monitor.py)."""

    __slots__ = (
        "_call",
        "_method",
        "_model",
        "call",
        "ending",
        "patience_s",
        "placed",
        "refused",
        "replica",
        "sent_at",
        "silent",
    )

    def __init__(
        self,
        model: str,
        method: LinkMethod[Any, Any],
        link_call: LinkCall,
        call: str,
        sent_at: float,
        patience_s: float,
    ) -> None:
        self.call = call
        self.sent_at = sent_at
        self.patience_s = patience_s
        self.placed = True
        self.silent = False
        self.refused = 0
        self.replica: str | None = None
        self.ending: tuple[float, str] | None = None
        self._model = model
        self._method = method
        self._call = link_call

    @property
    def accepted(self) -> bool:
        return self._call.accepted

    @property
    def tells(self) -> bool:
        return self._call.tells

    def give_up(self, problem: Problem) -> None:
        self._call.give_up(problem)

    def cancel(self) -> None:
        self._call.cancel()

    def _decode(self, body: Any) -> Any:
        try:
            return self._method.answer.decode(body)
        except ValueFault as fault:
            self._call.cancel()
            logger.error("an answer could not be read: %s", fault, extra={"model": self._model})
            raise ModelFailed(self._model, "The model's answer could not be read.") from None


class UnaryLinkAttempt(_LinkAttempt):
    """A result in one piece."""

    __slots__ = ()
    lasts = False

    async def answer(self) -> Any:
        return self._decode(await self._call.result())


class StreamLinkAttempt(_LinkAttempt):
    """A stream: its result is itself, and the first item (None: it ended without one)."""

    __slots__ = ("_relay", "ended")
    lasts = True
    _relay: TextRelay | None

    async def answer(self) -> "tuple[StreamLinkAttempt, Any]":
        self.ended = True
        self._relay = None
        body = await self._call.next_item()
        self.ended = body is END
        return self, None if body is END else self._decode(body)

    def rest(self, relay: TextRelay | None = None) -> AsyncIterator[Any]:
        self._relay = relay
        return self

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._relay is not None:
            await self._call.relay(self._pass_on)
        body = await self._call.next_item()
        if body is END:
            raise StopAsyncIteration
        return self._decode(body)

    def _pass_on(self, bodies: Sequence[Any]) -> int:
        """How many of the items were passed to the relay: pieces of text, from the first item on.
        Those of one choice that came together are one."""
        relay = self._relay
        if relay is None:
            return 0
        passed, size = 0, len(bodies)
        while passed < size:
            body = bodies[passed]
            if not (is_text_piece(body) and relay.takes(body[0])):
                break
            index, text, _, _, _, tokens = body
            passed += 1
            while passed < size and is_text_piece(body := bodies[passed]) and body[0] == index:
                text, tokens = text + body[1], tokens + body[5]
                passed += 1
            relay.take(index, text, tokens)
        return passed


class LinkCaller:
    """`handles` carries what no link can."""

    def __init__(
        self,
        model: str,
        pool: LinkPool,
        handles: ReplicaCaller,
        replicas: ReplicaSet,
        clock: Clock,
    ) -> None:
        self._model = model
        self._pool = pool
        self._handles = handles
        self._replicas = replicas
        self._now = clock.monotonic

    def call(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> Attempt[Any]:
        link_method, sent_at = METHODS[method], self._now()
        sent = self._send(link_method, request, timeout_s)
        if sent is None:
            return self._handles.call(method, request, call, timeout_s, patience_s)
        return UnaryLinkAttempt(self._model, link_method, sent, call, sent_at, patience_s)

    def stream(
        self, method: str, request: Any, call: str, timeout_s: float, patience_s: float
    ) -> ReplicaStream:
        link_method, sent_at = METHODS[method], self._now()
        sent = self._send(link_method, request, timeout_s)
        if sent is None:
            return self._handles.stream(method, request, call, timeout_s, patience_s)
        return StreamLinkAttempt(self._model, link_method, sent, call, sent_at, patience_s)

    async def ask(self, method: str, *arguments: Any, timeout_s: float | None = None) -> Any:
        """Settlements go over the link of the call: behind its cancellation."""
        if method == SETTLE.name and timeout_s is not None:
            [request] = arguments
            connection = self._pool.find(request.replica)
            if connection is not None:
                body = SETTLE.request.encode(request)
                try:
                    sent = connection.call(SETTLE.name, body, timeout_s)
                    return SETTLE.answer.decode(await sent.result())
                except (LinkError, ValueFault):
                    pass
        return await self._handles.ask(method, *arguments, timeout_s=timeout_s)

    def _send(
        self, method: LinkMethod[Any, Any], request: Any, timeout_s: float
    ) -> LinkCall | None:
        """The call over the link of the selected replica; None where a handle must carry it."""
        replicas = self._replicas
        if not self._pool.active():
            return None
        info = describe_request(request, replicas.prefix_chars)
        dispatch = replicas.place(info, _EVERYWHERE)
        if dispatch is None:
            return None
        self._pool.ping_silent()
        connection = self._pool.find(dispatch.state.replica)
        if connection is not None and connection.offers(method.name):
            sent = self._open(connection, method, request, timeout_s, dispatch)
            if sent is not None:
                return sent
        self._pool.by_handle += 1
        replicas.hand_over(dispatch)
        return None

    def _open(
        self,
        connection: ClientConnection,
        method: LinkMethod[Any, Any],
        request: Any,
        timeout_s: float,
        dispatch: Dispatch,
    ) -> LinkCall | None:
        replicas = self._replicas
        try:
            return connection.call(
                method.name,
                method.request.encode(request),
                timeout_s,
                streams=method.streams,
                on_accepted=lambda: replicas.alive(dispatch),
                on_over=lambda: replicas.ended(dispatch),
            )
        except (LinkError, TypeError, ValueError, OverflowError) as error:  # msgpack has 64 bits
            logger.info("a call goes by handle: %s", error, extra={"model": self._model})
            return None
