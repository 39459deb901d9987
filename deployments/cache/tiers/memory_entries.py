"""What the memory tier holds: entries with their views, and aliases, each with its weight.

A weight is the bytes that Python takes for the object, all that only it refers to, and its place in
an index, as the allocator hands them out: an answer of ten bytes weighs most of a kilobyte.
"""

from sys import getsizeof
from typing import Final

from deployments.cache.tiers.fair_share import TenantUsage
from deployments.cache.tiers.sieve import Slot
from deployments.contracts.cache import Entry, Ttls

INDEX_BYTES: Final = 128  # a dict's share for one key, at its emptiest after growing
MAX_VIEWS: Final = 5  # what a dict holds before it grows

_KEY: Final = 80
_NUMBER = _INTEGER = 32
_VIEWS: Final = getsizeof({"": b""}) - getsizeof({})


class WeightedSlot(Slot):
    """Something with a weight in a tenant's account; `account` is None once it is given up."""

    __slots__ = ("account", "key", "weight")

    def __init__(self, key: bytes, weight: int) -> None:
        super().__init__()
        self.key = key
        self.weight = weight
        self.account: TenantUsage[WeightedSlot] | None = None


class MemoryEntry(WeightedSlot):
    """An entry, and its rendered forms by name; `MemoryTier.add_view` adds one."""

    __slots__ = ("entry", "views")

    def __init__(self, key: bytes, entry: Entry) -> None:
        super().__init__(key, _HELD + _weight_of(entry))
        self.entry = entry
        self.views: dict[str, bytes] = {}

    def weight_with(self, name: str, view: bytes) -> int | None:
        """The weight with one view more, or another under `name`; None: it has `MAX_VIEWS`."""
        old = self.views.get(name)
        if old is not None:
            return self.weight + getsizeof(view) - getsizeof(old)
        if len(self.views) >= MAX_VIEWS:
            return None
        room = 0 if self.views else _VIEWS
        return self.weight + getsizeof(view) + getsizeof(name) + room


class RequestAlias(WeightedSlot):
    __slots__ = ("target",)

    def __init__(self, key: bytes, target: bytes) -> None:
        super().__init__(key, _ALIAS)
        self.target = target


def _weight_of(entry: Entry) -> int:
    """Bytes of the parts of an entry that differ in size."""
    size = getsizeof(entry.body) + getsizeof(entry.tenant) + getsizeof(entry.model)
    return size + getsizeof(entry.tags) + sum(map(getsizeof, entry.tags))


def _object(kind: type) -> int:
    """Bytes of an object with slots, as the allocator and the garbage collector hand them out."""
    return (kind.__basicsize__ + 16 + 15) // 16 * 16


_ALIAS: Final = _object(RequestAlias) + 2 * _KEY + _INTEGER + INDEX_BYTES
_HELD: Final = (
    _object(MemoryEntry)
    + _object(Entry)
    + _object(Ttls)
    + getsizeof({})
    + 5 * _NUMBER
    + 2 * _INTEGER
    + _KEY
    + INDEX_BYTES
)
