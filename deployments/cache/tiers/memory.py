"""The first tier (L1): answers in this process's memory, one budget in bytes for all tenants.

In: entries, forms in which they were sent ("views"), and aliases: other names under which an entry
is found. Out: what was put, or nothing. Each tenant's things stand in a SIEVE queue of their own;
which tenant gives up room is settled in shares.py, and no tenant holds more than the ceiling.

Weights count what Python really takes for an object, so the process grows by the budget and not by
a multiple of it. What is dead is swept out bit by bit, as other things are put; until then it is
still found: how fresh it is, the caller sees (freshness.py). Swept out as well, while room is
scarce, is what belongs to a tenant who has used nothing for a while: thousands who came once would
otherwise leave each of those who stay a few kilobytes.
"""

from collections.abc import Mapping
from sys import getsizeof
from typing import Final, TypeVar

from cluster.runtime.clock import Clock
from deployments.cache.tiers.fair_share import ACCOUNT_BYTES, FairShareAccounting, TenantUsage
from deployments.cache.tiers.memory_entries import (
    INDEX_BYTES,
    MemoryEntry,
    RequestAlias,
    WeightedSlot,
)
from deployments.contracts.cache import Entry

_INDEX_SLACK: Final = 4096
_SWEEP: Final = 8  # things swept out at one put, at most
_SCARCE: Final = 7 / 8  # of the budget: from here on, what is idle is swept out


class MemoryTier:
    """At most `max_bytes`, of which one tenant holds at most `ceiling_share`. For one thread.

    A tenant who used nothing for `idle_s` seconds has no floor. Raises ValueError for a budget
    below 64 KiB or a share outside (0, 1].
    """

    def __init__(
        self, max_bytes: int, clock: Clock, *, ceiling_share: float = 0.8, idle_s: float = 300.0
    ) -> None:
        if max_bytes < 65_536:
            raise ValueError("the memory tier takes at least 65536 bytes")
        if not 0 < ceiling_share <= 1:
            raise ValueError("ceiling_share is above 0 and at most 1")
        self._clock = clock
        self._idle_s = idle_s
        self._ceiling = int(max_bytes * ceiling_share)
        self._shares: FairShareAccounting[WeightedSlot] = FairShareAccounting(max_bytes)
        self._held: dict[bytes, MemoryEntry] = {}
        self._aliases: dict[bytes, RequestAlias] = {}
        self._hits = self._misses = self._evictions = self._swept = self._refused = 0

    def get(self, key: bytes) -> MemoryEntry | None:
        """What is kept under `key`; using it keeps it longer."""
        held = self._held.get(key)
        if held is None:
            self._misses += 1
            return None
        held.visited = True
        if (account := held.account) is not None:
            account.used = True
        self._hits += 1
        return held

    def get_by_alias(self, alias: bytes) -> MemoryEntry | None:
        """What is kept under the key that `alias` stands for."""
        known = self._aliases.get(alias)
        if known is None:
            return None
        if known.target not in self._held:
            self._forget(known)
            return None
        known.visited = True
        return self.get(known.target)

    def put(self, key: bytes, entry: Entry) -> MemoryEntry | None:
        """Keep `entry` in place of what was under `key`; None, and nothing is under `key`, when it
        is heavier than what its tenant may have now."""
        self.remove(key)
        self._sweep()
        held = MemoryEntry(key, entry)
        if not self._admit(held, self._shares.open(entry.tenant)):
            return None
        self._held[key] = held
        self._held, self._aliases = _compact(self._held), _compact(self._aliases)
        return held

    def put_alias(self, alias: bytes, key: bytes) -> bool:
        """Let `alias` find what is kept under `key`, for as long as both are; False when nothing is
        or there is no room."""
        known = self._aliases.get(alias)
        if known is not None:
            self._forget(known)
        held = self._held.get(key)
        if held is None or held.account is None:
            return False
        held.visited = True
        known = RequestAlias(alias, held.key)
        if not self._admit(known, held.account):
            return False
        self._aliases[alias] = known
        self._aliases = _compact(self._aliases)
        return True

    def add_rendered(self, held: MemoryEntry, name: str, view: bytes) -> bool:
        """Keep a rendered form with `held`, which counts as new again; False, and it is not kept,
        when `held` is no longer here, has `MAX_VIEWS` of them, or there is no room."""
        account = held.account
        weight = held.weight_with(name, view)
        if account is None or weight is None:
            return False
        self._take_out(held, account)
        fits = self._make_room(account, weight)
        if fits:
            held.views[name] = view
            held.weight = weight
        self._put_in(held, account)
        return fits

    def remove(self, key: bytes) -> None:
        """Forget what is kept under `key`; aliases of it find nothing."""
        held = self._held.get(key)
        if held is not None:
            self._forget(held)

    def clear_tenant(self, tenant: str) -> None:
        """Forget all that is the tenant's."""
        account = self._shares.find(tenant)
        for kept in account.kept if account is not None else ():
            self._forget(kept)
        self._held, self._aliases = _compact(self._held), _compact(self._aliases)

    def clear(self) -> None:
        """Forget everything; counts of the past stay."""
        for tenant in self._shares.tenants:
            self.clear_tenant(tenant)

    def figures(self) -> Mapping[str, int]:
        """What is held now (`floor_bytes`: what nobody loses to others), and counts since the
        start; `swept` was dead or idle, `refused` had no room."""
        return {
            "bytes": self._shares.bytes,
            "max_bytes": self._shares.max_bytes,
            "floor_bytes": self._shares.floor,
            "ceiling_bytes": self._ceiling,
            "entries": len(self._held),
            "aliases": len(self._aliases),
            "tenants": len(self._shares),
            "hits": self._hits,
            "misses": self._misses,
            "evictions": self._evictions,
            "swept": self._swept,
            "refused": self._refused,
            "errors": 0,
        }

    def _admit(self, kept: WeightedSlot, account: TenantUsage[WeightedSlot]) -> bool:
        if not self._make_room(account, kept.weight):
            self._refused += 1
            if account.empty:
                self._shares.close(account)
            return False
        self._put_in(kept, account)
        return True

    def _make_room(self, account: TenantUsage[WeightedSlot], weight: int) -> bool:
        """Evict until `account` can take `weight` bytes more; nothing is evicted if it cannot."""
        shares = self._shares
        if not self._can_fit(account, weight):
            return False
        while account.bytes + weight > self._ceiling:
            self._evict(account, keep=account)
        while shares.bytes + weight > shares.max_bytes:
            self._evict(shares.eviction_victim(account, weight), keep=account)
        return True

    def _can_fit(self, account: TenantUsage[WeightedSlot], weight: int) -> bool:
        """Whether a thing fits within the ceiling, and within an equal part or else in what the
        tenant who holds the most has above the thing's own size."""
        shares, alone = self._shares, ACCOUNT_BYTES + weight
        if alone > self._ceiling or alone <= shares.part:
            return alone <= self._ceiling
        lacking = shares.bytes - account.bytes + alone - shares.max_bytes
        other = shares.largest(but=account) if lacking > 0 else None
        return lacking <= 0 or (other is not None and other.bytes - alone >= lacking)

    def _evict(self, giver: TenantUsage[WeightedSlot], keep: TenantUsage[WeightedSlot]) -> None:
        self._forget(giver.kept.victim(), keep=keep)
        self._evictions += 1

    def _sweep(self) -> None:
        """Take out what is dead or idle among the oldest of the tenant whose turn it is."""
        account = self._shares.next_in_turn()
        if account is None:
            return
        now = self._clock.wall()
        if account.used:
            account.used, account.seen = False, now
        idle = now - account.seen > self._idle_s and self._scarce
        for _ in range(_SWEEP):
            oldest = account.kept.oldest
            if oldest is None or not (idle or self._spent(oldest, now)):
                return
            self._forget(oldest)
            self._swept += 1

    @property
    def _scarce(self) -> bool:
        return self._shares.bytes > _SCARCE * self._shares.max_bytes

    def _spent(self, kept: WeightedSlot, now: float) -> bool:
        if isinstance(kept, MemoryEntry):
            return now >= kept.entry.created + kept.entry.lives.error
        return isinstance(kept, RequestAlias) and kept.target not in self._held

    def _put_in(self, kept: WeightedSlot, account: TenantUsage[WeightedSlot]) -> None:
        account.kept.add(kept)
        kept.account = account
        account.used = True
        self._shares.change(account, kept.weight)

    def _take_out(self, kept: WeightedSlot, account: TenantUsage[WeightedSlot]) -> None:
        account.kept.remove(kept)
        self._shares.change(account, -kept.weight)

    def _forget(self, kept: WeightedSlot, keep: TenantUsage[WeightedSlot] | None = None) -> None:
        """`keep` is an account that stays open even if nothing is left in it."""
        account = kept.account
        if account is None:
            return
        self._take_out(kept, account)
        kept.account = None
        (self._held if isinstance(kept, MemoryEntry) else self._aliases).pop(kept.key)
        if account.empty and account is not keep:
            self._shares.close(account)


T = TypeVar("T")


def _compact(index: dict[bytes, T]) -> dict[bytes, T]:
    """The index, built anew if it takes more than its keys are charged: a dict never shrinks."""
    if getsizeof(index) <= INDEX_BYTES * len(index) + _INDEX_SLACK:
        return index
    return dict(index)
