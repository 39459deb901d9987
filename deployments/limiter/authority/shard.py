"""One of N authorities in memory, exact while N changes and while shards die.

In: exchanges and hand-overs that state a layout (version, N), and layouts from the deployment. Out:
grants, or a newer layout; for a new owner, the buckets of its tenants.

Why no tenant is admitted twice. Every exchange states the sender's layout; a shard processes it
only if that is its own, adopts a newer one, and answers an older one with its own and nothing else,
not even a renewed session. (1) So for each version, the tenant's owner under it is the only shard
that grants. (2) A shard that a layout gives tenants to processes none of them before it has asked
every shard that could hold them ("collection"), and asking makes that shard adopt the layout: from
then on it grants nothing under the older one. (3) What it hands over is the bucket with its leases,
so the invariant of bucket_arithmetic.py goes on with the same numbers; a lease keeps the session it
had. An ingress replica keeps its credits in hand for as long as the old session lasted, and reports
them to the new owner first. (4) Where a shard cannot be asked for `patience_s`, or knows that it
lost something, tenants that are not handed over count as lost at that time, as after any loss of
state, not as new. A shard that cannot be reached for so long is assumed to be dead (fail-stop):
Serve's health check ends one that hangs. (5) A shard that was restarted is told so: the others
remember which instance collected from them. Where those were restarted too, they know the tenants
for a shorter time than some replica says that it has been granted something.
"""

import asyncio
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from deployments.contracts.limits import AuthorityUnavailable, LeaseGrant, LeaseRequest
from deployments.limiter.authority.hand_over import (
    HandOver,
    MovedBucket,
    ShardAnswer,
    ShardExchange,
)
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.layout import ShardLayout

PART = 5_000  # buckets in one message of a hand-over
_RETRY_S = 0.2
_FORGIVEN_S = 3600.0  # after which a loss is as if it had not been: no burst is longer
_WAIT_S = 0.3  # that an exchange waits for a collection
_UNANSWERED = LeaseGrant(-1, 0)  # of no request: it is repeated


class ShardPeer(Protocol):
    """Another shard, called from this one."""

    async def hand_over(self, layout: ShardLayout, to: int, instance: str, start: int) -> HandOver:
        """As AuthorityShard's. Raises AuthorityUnavailable."""
        ...


class AuthorityShard:
    """Number `index` of the layout; `peer` gives the others."""

    def __init__(
        self,
        index: int,
        clock: Clock,
        peer: Callable[[int], ShardPeer],
        *,
        patience_s: float = 10.0,
    ) -> None:
        self.index = index
        self.authority = MemoryAuthority(clock)
        self._clock = clock
        self._peer = peer
        self._patience_s = patience_s
        self._knows_since = -math.inf  # or as long as the shards that it collected from
        self._is_pending = True
        self._lost_at = -math.inf
        self._instance = uuid.uuid4().hex
        self._layout: ShardLayout | None = None
        self._is_settled = False  # all tenants that the layout gives to this shard are here
        self._past: list[ShardLayout] = []  # the last settled layout, and those after it
        self._collection: asyncio.Task[None] | None = None
        self._instances: dict[int, str] = {}  # that have collected from here
        self._outgoing: dict[int, tuple[MovedBucket, ...]] | None = None

    @property
    def layout(self) -> ShardLayout | None:
        return self._layout

    def adopt(self, layout: ShardLayout) -> None:
        """Follow a layout that is newer; tenants that move in are collected from others."""
        before = self._layout
        if before is not None and layout.version <= before.version:
            return
        self._layout = layout
        if before is not None and before.shards == layout.shards:
            return
        if before is not None:
            self._leave(before)
        self._instances = {n: each for n, each in self._instances.items() if n < layout.shards}
        others = max(layout.shards, before.shards if before else 0)
        peers = [number for number in range(others) if number != self.index]
        self._is_settled = not peers
        if before is None and not peers:
            self._knows_since, self._is_pending = self._clock.monotonic(), False
        if peers:
            self._collection = create_detached_task(self._collect(layout, peers, self._collection))

    async def exchange(self, sent: ShardExchange) -> ShardAnswer:
        """Raises AuthorityUnavailable without a layout."""
        layout, requests = sent.layout, sent.requests
        if layout.version > 0:
            self.adopt(layout)
        if self._layout is None:
            raise AuthorityUnavailable("no layout yet")
        if layout == self._layout and not all(self._is_here(request) for request in requests):
            await self._wait_for_collection()
        own = self._layout
        if layout != own:
            return ShardAnswer(own, None)
        if sent.granted_s > self._clock.monotonic() - self._knows_since:
            self._lose()
        here = [self._is_here(request) for request in requests]
        known = [request for request, is_here in zip(requests, here, strict=True) if is_here]
        result = await self.authority.exchange(sent.replica, sent.epoch, sent.ttl_s, known)
        if len(known) < len(requests):
            grants = iter(result.grants)
            given = tuple(next(grants) if is_here else _UNANSWERED for is_here in here)
            result = replace(result, grants=given)
        return ShardAnswer(own, result)

    async def hand_over(self, layout: ShardLayout, to: int, instance: str, start: int) -> HandOver:
        """Buckets from number `start` on, of tenants that `layout` gives to shard `to`; a start
        below 0 says that all have been taken."""
        before = self._collection
        self.adopt(layout)
        if before is not None and before is not self._collection:
            await asyncio.wait({before})  # what it still receives may be of `to`
        own = self._layout
        if own is None or layout.version != own.version:
            return HandOver(own or layout)
        is_restarted = self._instances.setdefault(to, instance) != instance
        self._instances[to] = instance
        now = self._clock.monotonic()
        is_whole = now >= self._lost_at + _FORGIVEN_S and not is_restarted
        if self._outgoing is None:
            self._outgoing = self.authority.take(own, self.index)
        if start < 0 or is_restarted:
            self._outgoing.pop(to, None)
        buckets = self._outgoing.get(to, ())
        part, rest = buckets[max(0, start) : start + PART], buckets[start + PART :]
        return HandOver(own, part, not rest, is_whole, now - self._knows_since, self._is_pending)

    @property
    def buckets(self) -> int:
        """How many buckets there are now."""
        return self.authority.buckets

    async def _wait_for_collection(self) -> None:
        if self._collection is not None:
            await asyncio.wait({self._collection}, timeout=_WAIT_S)

    def _is_here(self, request: LeaseRequest) -> bool:
        """Whether the tenant's buckets are here: in every layout since the last settled one, or
        because the collection has ended."""
        if self._is_settled:
            return True
        tenant = request.spec.key.split("|", 1)[0]
        return bool(self._past) and all(past.owner(tenant) == self.index for past in self._past)

    def _leave(self, before: ShardLayout) -> None:
        """A layout ends. Lost is what it gave to others and they did not take, and what it gave to
        this shard and could not be collected yet."""
        if self._is_settled:
            self._past = [before]
        elif self._past:
            self._past.append(before)
        left = self.authority.take(before, self.index) | (self._outgoing or {})
        self._outgoing = None
        if any(left.values()) or not self._is_settled:
            self._lose()

    def _lose(self) -> None:
        """Tenants that are not known here have been granted something that is not known either."""
        self._lost_at, self._knows_since = self._clock.monotonic(), -math.inf
        self.authority.lose()

    async def _collect(
        self, layout: ShardLayout, peers: Sequence[int], before: asyncio.Task[None] | None
    ) -> None:
        """Fetch the tenants that the layout gives to this shard from all that could hold them."""
        if before is not None:
            await asyncio.wait({before})
        own = asyncio.current_task()
        parts = await asyncio.gather(*(self._fetch(layout, peer, own) for peer in peers))
        pending = [n for n, part in zip(peers, parts, strict=True) if part and part.is_pending]
        if self._is_pending:
            known_s = [part.knows_s for part in parts if part and not part.is_pending]
            self._knows_since = self._clock.monotonic() - min(known_s, default=0.0)
        self._judge([part for part in parts if not part or not part.is_pending])
        self._is_pending = False
        verdicts = await asyncio.gather(*(self._ask(layout, peer, own) for peer in pending))
        if self._collection is not own:
            return  # another layout
        self._judge(verdicts)
        self._is_settled = True

    def _judge(self, outcomes: Sequence[HandOver | None]) -> None:
        """Whether the tenants that these peers may have held are known here now."""
        for outcome in outcomes:
            if outcome is None or not outcome.is_whole:
                self._lose()
            elif self._lost_at == -math.inf:
                since = self._clock.monotonic() - outcome.knows_s
                self._knows_since = max(self._knows_since, since)

    async def _fetch(
        self, layout: ShardLayout, number: int, collection: asyncio.Task[None] | None
    ) -> HandOver | None:
        """Take all that the peer holds for this shard; the last part, or None without all."""
        start, is_whole = 0, True
        while part := await self._call(layout, number, start, collection):
            self.authority.put(part.buckets)
            start += len(part.buckets)
            is_whole = is_whole and part.is_whole
            if part.is_last:
                await self._call(layout, number, -1, collection)
                return replace(part, buckets=(), is_whole=is_whole)
        return None

    async def _ask(
        self, layout: ShardLayout, number: int, collection: asyncio.Task[None] | None
    ) -> HandOver | None:
        """What the peer knows, once it has asked the others; None without an answer."""
        ends = self._clock.monotonic() + self._patience_s
        while part := await self._call(layout, number, -1, collection):
            if not part.is_pending:
                return part
            if self._clock.monotonic() >= ends:
                break
            await asyncio.sleep(_RETRY_S)
        return None

    async def _call(
        self, layout: ShardLayout, number: int, start: int, collection: asyncio.Task[None] | None
    ) -> HandOver | None:
        """A part of the peer's hand-over; None if it does not answer, or the layout is over."""
        ends = self._clock.monotonic() + self._patience_s
        peer = self._peer(number)
        while self._clock.monotonic() < ends and self._collection is collection:
            try:
                part = await peer.hand_over(layout, self.index, self._instance, start)
            except AuthorityUnavailable:
                await asyncio.sleep(_RETRY_S)
                continue
            if part.layout.version <= layout.version:
                return part
            self.adopt(part.layout)
            layout = part.layout
        return None
