"""One attempt at an upstream, and its answer in one piece; streams are in stream_attempt.py.

In: a call in a wire format, and an upstream that the replica set has chosen. Out: what the format
makes of the answer, within the deadline; everything else is a Problem, and the upstream takes note
of it. Of an answer no more is read than its limit allows, whatever the upstream sends.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from cluster.balancing.replica_state import Dispatch
from cluster.resilience.failure_class import UpstreamFailed, UpstreamRefused
from cluster.runtime.problems import DeadlineExceeded, Overloaded, Problem
from deployments.providers.errors import UpstreamUnreachable, unreadable, without_key
from deployments.providers.http.connection import Exchange, HttpConnection, HttpFault
from deployments.providers.http.pool import PoolExhausted
from deployments.providers.upstream import Upstream
from deployments.providers.wire import StreamDecoder, WireRequest

_MAX_ERROR_BODY = 256 << 10  # of an error answer so much is read
JSON, EVENTS = "application/json", "text/event-stream"


class WireCall(Protocol):
    """A request in a wire format, and what its answers mean. `request` is what is routed by."""

    request: Any

    def encode(self, source: str) -> WireRequest: ...

    def decode(self, body: bytes) -> Any: ...

    def decoder(self) -> StreamDecoder: ...

    def problem(self, status: int, headers: dict[str, str], body: bytes) -> Problem: ...


class Placement(Protocol):
    """Chooses upstreams, and takes note of how attempts end (upstream_caller.py)."""

    model: str

    async def choose_later(
        self, request: Any, call: str, timeout_s: float
    ) -> tuple[Upstream, Dispatch]:
        """Waits shortly where all upstreams are busy. Raises UpstreamBusy."""
        ...

    def alive(self, dispatch: Dispatch) -> None:
        """The upstream has begun to answer."""
        ...

    def note(self, upstream: Upstream, problem: Problem | None) -> None:
        """How the upstream has answered; None: well."""
        ...

    def ended(self, outcome: str) -> None:
        """Of an attempt: `finished`, `failed` or `cancelled`."""
        ...


class UpstreamAttempt:
    """Implements `MonitoredAttempt` (cluster/resilience/liveness_monitor.py). Whether an upstream
    has accepted a request is not known before it answers. `was_sent`: there was a connection."""

    __slots__ = (
        "_chosen",
        "_given_up",
        "_is_over",
        "_open",
        "_placement",
        "_task",
        "_timeout_s",
        "_until",
        "_wire",
        "accepted",
        "call",
        "ending",
        "patience_s",
        "placed",
        "refused",
        "replica",
        "sent_at",
        "silent",
        "was_sent",
    )
    tells = False

    def __init__(
        self,
        placement: Placement,
        wire: WireCall,
        call: str,
        timeout_s: float,
        patience_s: float,
        sent_at: float,
        chosen: tuple[Upstream, Dispatch] | None,
    ) -> None:
        """`chosen` None: all upstreams are busy now."""
        self.call = call
        self.sent_at = sent_at
        self.patience_s = patience_s
        self.placed = chosen is not None
        self.silent = self.accepted = self.was_sent = False
        self.refused = 0
        self.replica: str | None = None
        self.ending: tuple[float, str] | None = None
        self._placement = placement
        self._wire = wire
        self._timeout_s = timeout_s
        self._chosen = chosen
        self._task: asyncio.Task[Any] | None = None
        self._given_up: Problem | None = None
        self._until = 0.0
        self._open: tuple[HttpConnection, Exchange] | None = None
        self._is_over = False

    @property
    def upstream(self) -> str:
        """The name of the one that was chosen; empty: none was."""
        return "" if self._chosen is None else self._chosen[0].name

    def give_up(self, problem: Problem) -> None:
        if self._task is not None and self._given_up is None:
            self._given_up = problem
            self._task.cancel()

    def cancel(self) -> None:
        self._end("cancelled")

    async def answer(self) -> Any:
        self._task = task = asyncio.current_task()
        try:
            return await self._answer()
        except asyncio.CancelledError:
            self._end("cancelled")
            if self._given_up is not None and task is not None and task.uncancel() == 0:
                raise self._given_up from None
            raise
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            self._task = None

    async def _answer(self) -> Any:
        raise NotImplementedError

    async def _begin(self, kind: str, *, streams: bool) -> Exchange:
        """Sends the request, and returns the exchange once its head has come, of status 200 and
        content type `kind`. Raises Problems."""
        if self._chosen is None:
            await self._choose()
        assert self._chosen is not None
        upstream, dispatch = self._chosen
        until = self._until = asyncio.get_running_loop().time() + self._timeout_s
        if upstream.credential.problem is not None:
            detail = f"Model '{self._placement.model}': {upstream.credential.problem}."
            raise UpstreamRefused(self._placement.model, detail)
        pool, limits = upstream.pool, upstream.pool.limits
        limit = limits.max_stream_bytes if streams else limits.max_body_bytes
        wire, request = self._wire.encode(upstream.source), self._wire.request
        if request.trace:
            wire = replace(wire, headers=(*wire.headers, *_trace_headers(request)))
        sent = upstream.post(wire)
        try:
            self._open = await pool.send(sent, limit, until, limits.first_byte_s, self._note_sent)
        except HttpFault as fault:
            raise fault_problem(self._placement.model, fault) from None
        except PoolExhausted:
            detail = f"All {limits.connections} connections to the provider are in use."
            raise Overloaded(detail, 1.0, model=self._placement.model) from None
        except TimeoutError:
            raise self._late("gave no answer in time") from None
        self.accepted = True
        self._placement.alive(dispatch)
        exchange = self._open[1]
        if exchange.status == 200 and _is_of(exchange, kind):
            return exchange
        raise await self._refusal(exchange, kind)

    def _note_sent(self) -> None:
        self.was_sent = True

    async def _choose(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._chosen = await self._placement.choose_later(
            self._wire.request, self.call, self._timeout_s
        )
        self.placed = True
        self._timeout_s -= loop.time() - began

    async def _refusal(self, exchange: Exchange, kind: str) -> Problem:
        """What an answer that is not the one asked for means."""
        body = await self._body(exchange, _MAX_ERROR_BODY)
        if exchange.status != 200:
            return self._wire.problem(exchange.status, exchange.headers, body)
        if kind == EVENTS and _is_of(exchange, JSON):
            try:
                self._wire.decode(body)
            except Problem as problem:  # the error that it reports
                return problem
        model = self._placement.model
        return unreadable(model, "answered with a content type that was not asked for")

    async def _body(self, exchange: Exchange, most: int | None = None) -> bytes:
        """The body; with `most`, what is beyond is left unread."""
        parts: list[bytes] = []
        size = 0
        while True:
            piece = await self._piece(exchange)
            parts.append(piece)
            size += len(piece)
            if exchange.ended or not piece or (most is not None and size >= most):
                return piece if len(parts) == 1 else b"".join(parts)

    async def _piece(self, exchange: Exchange) -> bytes:
        if exchange.ended:
            return exchange.take()
        assert self._chosen is not None
        until = asyncio.get_running_loop().time() + self._chosen[0].pool.limits.idle_s
        try:
            return await exchange.piece(min(self._until, until))
        except HttpFault as fault:
            raise unreadable(self._placement.model, fault.reason) from None
        except TimeoutError:
            raise self._late("stopped in the middle of its answer") from None

    def _late(self, reason: str) -> Problem:
        if asyncio.get_running_loop().time() >= self._until:
            return DeadlineExceeded(self._placement.model, round(self._timeout_s, 3))
        return unreadable(self._placement.model, reason)

    def _fail(self, error: BaseException) -> None:
        if self._chosen is not None and isinstance(error, Problem):
            without_key(error, self._chosen[0].credential.key)
            self._placement.note(self._chosen[0], error)
        self._end("failed")

    def _finish(self) -> None:
        if self._chosen is not None:
            self._placement.note(self._chosen[0], None)
        self._end("finished")

    def _end(self, outcome: str) -> None:
        """Gives the connection back; one whose answer has not ended is closed."""
        if self._is_over:
            return
        self._is_over = True
        self._placement.ended(outcome)
        if self._open is not None and self._chosen is not None:
            (connection, exchange), self._open = self._open, None
            pool = self._chosen[0].pool
            give_back = pool.release_soon if outcome == "finished" else pool.release
            give_back(connection, exchange)


class UnaryUpstreamAttempt(UpstreamAttempt):
    """An answer in one piece."""

    __slots__ = ()
    lasts = False

    async def _answer(self) -> Any:
        exchange = await self._begin(JSON, streams=False)
        answer = self._wire.decode(await self._body(exchange))
        self._finish()
        return answer


def _trace_headers(request: Any) -> Iterator[tuple[str, str]]:
    """The headers of W3C Trace Context."""
    yield "traceparent", request.trace
    if request.trace_state:
        yield "tracestate", request.trace_state


def fault_problem(model: str, fault: HttpFault) -> UpstreamFailed:
    detail = f"The provider of '{model}' {fault.reason}."
    return (
        UpstreamUnreachable(model, detail) if fault.unreachable else UpstreamFailed(model, detail)
    )


def _is_of(exchange: Exchange, kind: str) -> bool:
    """Whether the content type is `kind`, or JSON by another name (RFC 6839)."""
    given = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
    return given == kind or (kind == JSON and given.endswith("+json"))
