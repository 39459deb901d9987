"""The first tier (L1): entries in this process's memory, one budget in bytes for all tenants.

In: entries, rendered response bodies, and aliases (other keys under which an entry is found). Out:
what was put, or nothing. Each tenant's entries are in a SIEVE queue of their own; which tenant
evicts is decided in fair_share.py, and no tenant uses more than the ceiling.

A weight is the bytes that Python takes for an object, all that only it refers to, and its part of
an index, as the allocator hands them out: a response of ten bytes weighs most of a kilobyte. So the
process grows by the budget and not by a multiple of it.

Expired entries are swept out a few at a time, as others are put; until then they are still found
(policy.py decides how they may be served). While room is scarce, entries of tenants that used none
for a while are swept out too: thousands of one-time tenants would otherwise leave each of the
others a few kilobytes.
"""

from collections.abc import Mapping
from sys import getsizeof
from typing import Final, TypeVar

from cluster.runtime.clock import Clock
from deployments.cache.tiers.fair_share import ACCOUNT_BYTES, FairShareAccounting, TenantUsage
from deployments.cache.tiers.sieve import Slot
from deployments.contracts.cache import Entry, Ttls

INDEX_BYTES: Final = 128  # a dict's share for one key, at its emptiest after growing
MAX_VIEWS: Final = 5  # what a dict holds before it grows

_INDEX_SLACK: Final = 4096
_SWEEP: Final = 8  # entries swept out at one put, at most
_SCARCE: Final = 7 / 8  # of the budget: from here on, idle tenants' entries are swept out
_KEY: Final = 80
_NUMBER = _INTEGER = 32
_VIEWS: Final = getsizeof({"": b""}) - getsizeof({})


class WeightedSlot(Slot):
    """An entry or alias with its weight; `account` is its tenant's, None once it is removed."""

    __slots__ = ("account", "key", "weight")

    def __init__(self, key: bytes, weight: int) -> None:
        self.visited = False
        self.newer = self.older = None
        self.key = key
        self.weight = weight
        self.account: TenantUsage[WeightedSlot] | None = None


class MemoryEntry(WeightedSlot):
    """An entry, and its rendered bodies by name; `MemoryTier.add_rendered` adds one."""

    __slots__ = ("entry", "views")

    def __init__(self, key: bytes, entry: Entry) -> None:
        size = getsizeof(entry.body) + getsizeof(entry.tenant) + getsizeof(entry.model)
        size += getsizeof(entry.tags) + sum(map(getsizeof, entry.tags))
        super().__init__(key, _ENTRY + size)
        self.entry = entry
        self.views: dict[str, bytes] = {}

    def weight_with(self, name: str, view: bytes) -> int | None:
        """The weight with one body more, or another under `name`; None: it has `MAX_VIEWS`."""
        old = self.views.get(name)
        if old is not None:
            return self.weight + getsizeof(view) - getsizeof(old)
        if len(self.views) >= MAX_VIEWS:
            return None
        dict_bytes = 0 if self.views else _VIEWS
        return self.weight + getsizeof(view) + getsizeof(name) + dict_bytes


class RequestAlias(WeightedSlot):
    """`note` is what its response says beside the entry's body."""

    __slots__ = ("note", "target")

    def __init__(self, key: bytes, target: bytes, note: bytes = b"") -> None:
        super().__init__(key, _ALIAS + (getsizeof(note) if note else 0))
        self.target = target
        self.note = note


def _object_bytes(kind: type) -> int:
    """Bytes of an object with slots, as the allocator and the garbage collector hand them out."""
    return (kind.__basicsize__ + 16 + 15) // 16 * 16


_ALIAS: Final = _object_bytes(RequestAlias) + 2 * _KEY + _INTEGER + INDEX_BYTES
_ENTRY: Final = (
    _object_bytes(MemoryEntry)
    + _object_bytes(Entry)
    + _object_bytes(Ttls)
    + getsizeof({})
    + 5 * _NUMBER
    + 2 * _INTEGER
    + _KEY
    + INDEX_BYTES
)

Account = TenantUsage[WeightedSlot]


class MemoryTier:
    """At most `max_bytes`, of which one tenant uses at most `ceiling_share`. For one thread.

    `aliases` maps each alias to its entry's key. A tenant that used nothing for `idle_s` seconds
    has no floor. Raises ValueError for a budget below 64 KiB or a share outside (0, 1].
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
        self._entries: dict[bytes, MemoryEntry] = {}
        self.aliases: dict[bytes, RequestAlias] = {}
        self._hits = self._misses = self._evictions = self._swept = self._refused = 0

    def get(self, key: bytes) -> MemoryEntry | None:
        """The entry under `key`; using it keeps it longer."""
        cached = self._entries.get(key)
        if cached is None:
            self._misses += 1
            return None
        cached.visited = True
        if (account := cached.account) is not None:
            account.used = True
        self._hits += 1
        return cached

    def get_by_alias(self, alias: bytes) -> MemoryEntry | None:
        """The entry under the key that `alias` stands for."""
        known = self.aliases.get(alias)
        if known is None:
            return None
        if known.target not in self._entries:
            self._remove(known)
            return None
        known.visited = True
        return self.get(known.target)

    def put(self, key: bytes, entry: Entry) -> MemoryEntry | None:
        """Store `entry` in place of any other under `key`; None, and nothing is under `key`, if it
        is heavier than what its tenant may use now."""
        if (old := self._entries.get(key)) is not None:
            self._remove(old)
        self._sweep()
        cached = MemoryEntry(key, entry)
        if not self._admit(cached, self._shares.open(entry.tenant)):
            return None
        self._entries[key] = cached
        return cached

    def put_alias(self, alias: bytes, key: bytes, note: bytes = b"") -> bool:
        """Let `alias` find the entry under `key`, for as long as both are there; False if there is
        no entry or no room. `note` is kept with the alias."""
        known = self.aliases.get(alias)
        if known is not None:
            self._remove(known)
        cached = self._entries.get(key)
        if cached is None or cached.account is None:
            return False
        cached.visited = True
        known = RequestAlias(alias, cached.key, note)
        if not self._admit(known, cached.account):
            return False
        self.aliases[alias] = known
        return True

    def add_rendered(self, cached: MemoryEntry, name: str, view: bytes) -> bool:
        """Store a rendered body with `cached`, which counts as new again; False, and it is not
        stored, if `cached` is no longer here, has `MAX_VIEWS` of them, or there is no room."""
        account = cached.account
        weight = cached.weight_with(name, view)
        if account is None or weight is None:
            return False
        account.entries.remove(cached)
        self._shares.change(account, -cached.weight)
        fits = self._make_room(account, weight)
        if fits:
            cached.views[name] = view
            cached.weight = weight
        self._insert(cached, account)
        return fits

    def remove(self, key: bytes) -> None:
        """Remove the entry under `key`; aliases of it find nothing."""
        cached = self._entries.get(key)
        if cached is not None:
            self._remove(cached)

    def clear_tenant(self, tenant: str) -> None:
        """Remove everything that belongs to the tenant."""
        account = self._shares.find(tenant)
        for slot in account.entries if account is not None else ():
            self._remove(slot)

    def clear(self) -> None:
        """Remove everything; counts of the past stay."""
        for tenant in self._shares.tenants:
            self.clear_tenant(tenant)

    def figures(self) -> Mapping[str, int]:
        """What is stored now (`floor_bytes`: what no tenant loses to others), and counts since the
        start; `swept` was expired or idle, `refused` had no room."""
        return {
            "bytes": self._shares.bytes,
            "max_bytes": self._shares.max_bytes,
            "floor_bytes": self._shares.floor,
            "ceiling_bytes": self._ceiling,
            "entries": len(self._entries),
            "aliases": len(self.aliases),
            "tenants": len(self._shares),
            "hits": self._hits,
            "misses": self._misses,
            "evictions": self._evictions,
            "swept": self._swept,
            "refused": self._refused,
            "errors": 0,
        }

    def _admit(self, slot: WeightedSlot, account: Account) -> bool:
        if not self._make_room(account, slot.weight):
            self._refused += 1
            if account.entries.oldest is None:
                self._shares.close(account)
            return False
        self._insert(slot, account)
        return True

    def _make_room(self, account: Account, weight: int) -> bool:
        """Evict until `account` can take `weight` bytes more; nothing is evicted if it cannot."""
        shares, ceiling = self._shares, self._ceiling
        if account.bytes + weight <= ceiling and shares.bytes + weight <= shares.max_bytes:
            return True
        if not self._can_fit(account, weight):
            return False
        while account.bytes + weight > ceiling:
            self._evict(account, taker=account)
        while shares.bytes + weight > shares.max_bytes:
            self._evict(shares.eviction_victim(account, weight), taker=account)
        return True

    def _can_fit(self, account: Account, weight: int) -> bool:
        """Whether an entry fits within the ceiling, and within an equal part or else in what the
        largest tenant uses beyond the entry's own size."""
        shares, alone = self._shares, ACCOUNT_BYTES + weight
        if alone > self._ceiling or alone <= shares.part:
            return alone <= self._ceiling
        lacking = shares.bytes - account.bytes + alone - shares.max_bytes
        other = shares.largest(but=account) if lacking > 0 else None
        return lacking <= 0 or (other is not None and other.bytes - alone >= lacking)

    def _evict(self, account: Account, taker: Account) -> None:
        self._remove(account.entries.victim(), open_account=taker)
        self._evictions += 1

    def _sweep(self) -> None:
        """Remove expired and idle entries among the oldest of the tenant whose turn it is."""
        account, shares = self._shares.next_in_turn(), self._shares
        if account is None:
            return
        now = self._clock.wall()
        if account.used:
            account.used, account.seen = False, now
        scarce = shares.bytes > _SCARCE * shares.max_bytes
        idle = scarce and now - account.seen > self._idle_s
        for _ in range(_SWEEP):
            oldest = account.entries.oldest
            if oldest is None or not (idle or self._is_expired(oldest, now)):
                return
            self._remove(oldest)
            self._swept += 1

    def _is_expired(self, slot: WeightedSlot, now: float) -> bool:
        if isinstance(slot, MemoryEntry):
            return now >= slot.entry.created + slot.entry.lives.error
        return isinstance(slot, RequestAlias) and slot.target not in self._entries

    def _insert(self, slot: WeightedSlot, account: Account) -> None:
        account.entries.add(slot)
        slot.account = account
        account.used = True
        self._shares.change(account, slot.weight)

    def _remove(self, slot: WeightedSlot, open_account: Account | None = None) -> None:
        """`open_account` stays open even if it is empty then."""
        account = slot.account
        if account is None:
            return
        account.entries.remove(slot)
        self._shares.change(account, -slot.weight)
        slot.account = None
        if isinstance(slot, MemoryEntry):
            del self._entries[slot.key]
            self._entries = _compact(self._entries)
        else:
            del self.aliases[slot.key]
            self.aliases = _compact(self.aliases)
        if account.entries.oldest is None and account is not open_account:
            self._shares.close(account)


T = TypeVar("T")


def _compact(index: dict[bytes, T]) -> dict[bytes, T]:
    """The index, copied if it takes more than its keys are charged: a dict never shrinks."""
    if getsizeof(index) <= INDEX_BYTES * len(index) + _INDEX_SLACK:
        return index
    return dict(index)
