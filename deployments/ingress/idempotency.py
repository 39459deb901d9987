"""Operations that run once under each Idempotency-Key, however often a client sends the request.

Flows in: an operation, and the key and body of one request for it. Flows out: an operation that
runs it, or replays the first run's answer and says so in `Idempotency-Replayed`. A replay passes
admission control: it costs a request and writes an audit record, but calls no model.

An operation that writes to the store saves its answer in the same transaction, by
`AdmittedRequest.store_response`: both are written or neither, so a process that is killed in
between cannot make the request run twice.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import Headers

from cluster.idempotency.store import (
    HEADER,
    MAX_BYTES,
    IdempotencyLease,
    IdempotencyStore,
    IdempotentRequest,
    StoredResponse,
)
from cluster.runtime.problems import GuardrailRefused, InvalidRequest, Problem, unknown_policy
from cluster.storage.database import DatabaseUnavailable
from deployments.guardrails.engine import Guardrails
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Event, Events
from deployments.ingress.operations.base import Operation

MAX_KEY = 255
IDEMPOTENCY_KEY = HEADER.lower()
REPLAYED = (b"idempotency-replayed", b"true")
GRACE_S = 5.0  # a lease outlives the deadline of its request by this much
# Refusals that follow from the request alone. Scopes, plans and models change: 403 and 404 do not.
DETERMINISTIC = frozenset({400, 413, 415, 422})
_KEY = re.compile(rf"[!-~]{{1,{MAX_KEY}}}")


def idempotency_key(headers: Headers) -> str | None:
    """The request's key; None if it has none. Raises InvalidRequest."""
    keys = headers.getlist(IDEMPOTENCY_KEY)
    if not keys:
        return None
    if len(keys) > 1 or _KEY.fullmatch(keys[0]) is None:
        raise InvalidRequest(
            f"Header {HEADER}: takes one key of 1 to {MAX_KEY} visible ASCII characters.",
            param=HEADER,
            limit=MAX_KEY,
        )
    return keys[0]


def with_idempotency(
    operation: Operation[Any],
    store: IdempotencyStore | None,
    name: str,
    headers: Headers,
    raw: bytes,
    guardrails: Guardrails | None = None,
) -> Operation[Any]:
    """`operation`, run once under the key in `headers`, if there is one. `raw` is the body.

    Raises InvalidRequest, and DatabaseUnavailable where there is no store: what must not run twice
    is not run at all.
    """
    key = idempotency_key(headers)
    if key is None:
        return operation
    if store is None:
        raise DatabaseUnavailable
    return IdempotentOperation(operation, store, name, key, raw, guardrails)


class IdempotentOperation:
    """Runs `operation` for one request at most once; each operation has its own keys."""

    def __init__(
        self,
        operation: Operation[Any],
        store: IdempotencyStore,
        name: str,
        key: str,
        raw: bytes,
        guardrails: Guardrails | None = None,
    ) -> None:
        """`raw` is the request's body."""
        self.schema, self.request_class = operation.schema, operation.request_class
        self.scope, self.can_stream = operation.scope, operation.can_stream
        self._operation = operation
        self._store = store
        self._name, self._key, self._raw = name, key, raw
        self._guardrails = guardrails

    async def answer(self, request: AdmittedRequest, body: Any) -> dict[str, Any]:
        """Raises Conflict (409), IdempotencyKeyReused (422), DatabaseUnavailable, and what the
        operation raises.
        """
        lease = await self._begin(request, b"whole")
        if isinstance(lease, StoredResponse):
            answer: dict[str, Any] = _replay(lease, request)
            return answer

        async def store_response(connection: AsyncConnection, answer: Mapping[str, Any]) -> None:
            await self._store.save_in(connection, lease, 200, orjson.dumps(answer))

        request.store_response = store_response
        async with self._running(lease, request):
            answer = await self._operation.answer(request, body)
        await self._store.save(lease, 200, orjson.dumps(answer))
        return answer

    async def events(self, request: AdmittedRequest, body: Any) -> Events:
        """The same; a stream that ended well is stored whole, and replayed as a stream."""
        lease = await self._begin(request, b"stream")
        if isinstance(lease, StoredResponse):
            for name, data in _replay(lease, request):
                yield name, data
            return
        recording = _StreamRecording()

        async def store_response(connection: AsyncConnection, answer: Mapping[str, Any]) -> None:
            recorded = recording.ended_by(("completed", answer))
            await self._store.save_in(connection, lease, 200, recorded.to_bytes())

        request.store_response = store_response
        async with (
            self._running(lease, request),
            aclosing(self._operation.events(request, body)) as events,
        ):
            async for event in events:
                recording.add(event)
                yield event
        await self._store.save(lease, 200, recording.to_bytes())

    async def _begin(
        self, request: AdmittedRequest, form: bytes
    ) -> IdempotencyLease | StoredResponse:
        identity = form + b"\0" + self._raw
        if self._guardrails is not None:
            # A response that left under other policies is not replayed under these.
            identity = self._guardrails.fingerprint(request.plan.guardrails) + identity
        elif request.plan.guardrails:
            raise unknown_policy(request.plan.guardrails[0])
        idempotent = IdempotentRequest(request.caller, self._name, self._key, identity)
        return await self._store.begin(idempotent, request.timeout_s("ingress") + GRACE_S)

    @asynccontextmanager
    async def _running(
        self, lease: IdempotencyLease, request: AdmittedRequest
    ) -> AsyncIterator[None]:
        """A run that fails or is given up frees the key, unless it would always fail like that."""
        try:
            yield
        except Problem as problem:
            is_certain = problem.status in DETERMINISTIC and not request.is_templated
            if is_certain and not isinstance(problem, GuardrailRefused):
                await self._store.save(lease, problem.status, _serialize_problem(problem))
            else:
                await self._store.release(lease)
            raise
        except BaseException:
            await self._store.release(lease)
            raise


def _replay(stored: StoredResponse, request: AdmittedRequest) -> Any:
    """The stored answer. Raises the problem if that was stored."""
    request.extra_headers.append(REPLAYED)
    value = orjson.loads(stored.body)
    if stored.status != 200:
        raise _restore_problem(**value)
    return value


class _StreamRecording:
    """The events of one stream, up to a little more than may be stored."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, event: Event) -> None:
        if self._size <= MAX_BYTES:
            self._parts.append(orjson.dumps(event))
            self._size += len(self._parts[-1]) + 1

    def ended_by(self, event: Event) -> "_StreamRecording":
        """This stream with its last event, which was not sent yet."""
        whole = _StreamRecording()
        whole._parts, whole._size = list(self._parts), self._size
        whole.add(event)
        return whole

    def to_bytes(self) -> bytes:
        return b"[" + b",".join(self._parts) + b"]"


def _serialize_problem(problem: Problem) -> bytes:
    fields = {
        "slug": problem.slug,
        "detail": problem.detail,
        "extensions": dict(problem.extensions),
    }
    return orjson.dumps(fields, default=str)


def _restore_problem(slug: str, detail: str, extensions: dict[str, Any]) -> Problem:
    """A problem of the class that the slug names, whatever that class's constructor takes."""
    cls = next((cls for cls in _subclasses(Problem) if cls.slug == slug), InvalidRequest)
    problem = cls.__new__(cls, detail)
    Problem.__init__(problem, detail, **extensions)
    return problem


def _subclasses(cls: type[Problem]) -> list[type[Problem]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _subclasses(child))]
