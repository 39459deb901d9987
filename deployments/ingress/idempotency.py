"""Operations that run once under each Idempotency-Key, however often a client sends the request.

Flows in: an operation, and the key and body of one request for it. Flows out: an operation that
runs it, or gives the first run's answer again and says so in `Idempotency-Replayed`. It stands
inside the gate: a replay costs a request and writes an audit line, but calls no model.
"""

import re
from collections.abc import (
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.idempotency.store import (
    HEADER,
    MAX_BYTES,
    IdempotencyLease,
    IdempotencyStore,
    IdempotentRequest,
    StoredResponse,
)
from cluster.runtime.problems import InvalidRequest, Problem
from cluster.storage.database import DatabaseUnavailable
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Event, Events
from deployments.ingress.operations.base import Operation
from deployments.ingress.response_store import current_keep

MAX_KEY = 255
REPLAYED = (b"idempotency-replayed", b"true")
GRACE_S = 5.0  # a lease outlives the deadline of its request by so much
# Refusals that follow from the request alone. Scopes, plans and models change: 403 and 404 do not.
DETERMINISTIC = frozenset({400, 413, 415, 422})
_NAME = HEADER.lower().encode()
_SHAPE = re.compile(rb"[!-~]{1,%d}" % MAX_KEY)


def key_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key in an ASGI scope's headers. Raises InvalidRequest."""
    keys = [value for name, value in headers if name == _NAME]
    if not keys:
        return None
    if len(keys) > 1 or _SHAPE.fullmatch(keys[0]) is None:
        raise InvalidRequest(
            f"Header {HEADER}: takes one key of 1 to {MAX_KEY} visible ASCII characters.",
            param=HEADER,
            limit=MAX_KEY,
        )
    return keys[0].decode("ascii")


class IdempotentOperation:
    """Runs `operation` for one request at most once; the keys of each operation are their own."""

    def __init__(
        self,
        operation: Operation[Any],
        store: IdempotencyStore | None,
        name: str,
        key: str,
        raw: bytes,
        state: MutableMapping[str, Any],
    ) -> None:
        """`raw` is the request's body, `state` its ASGI state, in which answers get their fields.

        Raises StoreDown where there is no store: what must not run twice is not run at all.
        """
        if store is None:
            raise DatabaseUnavailable
        self.schema, self.request_class = operation.schema, operation.request_class
        self._operation = operation
        self._store = store
        self._name, self._key, self._raw = name, key, raw
        self._state = state

    def streams(self, body: Any) -> bool:
        return self._operation.streams(body)

    async def answer(self, call: RequestContext, body: Any) -> dict[str, Any]:
        """Raises Conflict (409), IdempotencyKeyReused (422), StoreDown, and as the operation."""
        begun = await self._begin(call, b"whole")
        if isinstance(begun, StoredResponse):
            return self._again(begun)
        with self._keeping(begun):
            async with self._running(begun):
                answer = await self._operation.answer(call, body)
        await self._store.save(begun, 200, orjson.dumps(answer))
        return answer

    async def events(self, call: RequestContext, body: Any) -> Events:
        """The same; a stream that ended well is kept whole, and given again as a stream."""
        begun = await self._begin(call, b"stream")
        if isinstance(begun, StoredResponse):
            for name, data in self._again(begun):
                yield name, data
            return
        record = _Record()
        async with (
            self._running(begun),
            aclosing(self._operation.events(call, body)) as events,
        ):
            async for event in events:
                record.add(event)
                yield event
        await self._store.save(begun, 200, record.body())

    async def _begin(self, call: RequestContext, form: bytes) -> IdempotencyLease | StoredResponse:
        asked = IdempotentRequest(call.caller, self._name, self._key, form + b"\0" + self._raw)
        return await self._store.begin(asked, call.timeout_s("ingress") + GRACE_S)

    def _again(self, kept: StoredResponse) -> Any:
        """What was answered. Raises the problem if it was one."""
        fields = self._state.get("fields", list)
        self._state["fields"] = lambda: [*fields(), REPLAYED]
        said = orjson.loads(kept.body)
        if kept.status != 200:
            raise _problem(**said)
        return said

    @contextmanager
    def _keeping(self, lease: IdempotencyLease) -> Iterator[None]:
        """Let the operation keep its answer in its own transaction."""

        async def keep(connection: AsyncConnection, answer: Mapping[str, Any]) -> None:
            await self._store.save_in(connection, lease, 200, orjson.dumps(answer))

        token = current_keep.set(keep)
        try:
            yield
        finally:
            current_keep.reset(token)

    @asynccontextmanager
    async def _running(self, lease: IdempotencyLease) -> AsyncIterator[None]:
        """A run that fails or is given up frees the key, unless it would always fail like that."""
        try:
            yield
        except Problem as problem:
            if problem.status in DETERMINISTIC:
                await self._store.save(lease, problem.status, _body(problem))
            else:
                await self._store.release(lease)
            raise
        except BaseException:
            await self._store.release(lease)
            raise


class _Record:
    """The events of one stream, up to a little more than may be kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, event: Event) -> None:
        if self._size <= MAX_BYTES:
            self._parts.append(orjson.dumps(event))
            self._size += len(self._parts[-1]) + 1

    def body(self) -> bytes:
        return b"[" + b",".join(self._parts) + b"]"


def _body(problem: Problem) -> bytes:
    said = {
        "slug": problem.slug,
        "detail": problem.detail,
        "extensions": dict(problem.extensions),
    }
    return orjson.dumps(said, default=str)


def _problem(slug: str, detail: str, extensions: dict[str, Any]) -> Problem:
    """Of the class that the slug names, whatever its constructor looks like."""
    cls = next((cls for cls in _tree(Problem) if cls.slug == slug), InvalidRequest)
    problem = cls.__new__(cls, detail)
    Problem.__init__(problem, detail, **extensions)
    return problem


def _tree(cls: type[Problem]) -> list[type[Problem]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _tree(child))]
