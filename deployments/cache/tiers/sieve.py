"""SIEVE: which entry is evicted when room is needed (Zhang et al., NSDI'24).

In: entries with their weight in bytes, and each use of one. Out: the entry to evict. A hand moves
from the oldest entry to the newest and round again: one that was used since the hand last passed
loses its mark and stays, the first without a mark is evicted. Nothing moves on a hit, so a hit
costs one store, and an entry that is used once is evicted after one round.

Every operation takes amortised constant time: each step of the hand removes the mark of a hit.
"""

from collections.abc import Iterator
from typing import Generic, Self, TypeVar


class Slot:
    """A node of a queue. Its neighbours are None at the ends, and while it is in no queue."""

    __slots__ = ("newer", "older", "visited")

    def __init__(self) -> None:
        self.visited = False
        self.newer: Self | None = None
        self.older: Self | None = None


S = TypeVar("S", bound=Slot)


class FifoQueue(Generic[S]):
    """Slots in the order of their arrival, and the hand."""

    __slots__ = ("_hand", "_newest", "oldest")

    def __init__(self) -> None:
        self._newest: S | None = None
        self.oldest: S | None = None
        self._hand: S | None = None

    def __iter__(self) -> Iterator[S]:
        """From the oldest on; the slot that was just yielded may be removed meanwhile."""
        slot = self.oldest
        while slot is not None:
            newer = slot.newer
            yield slot
            slot = newer

    def add(self, slot: S) -> None:
        """Put a slot that is in no queue at the newest end."""
        slot.older = self._newest
        if self._newest is None:
            self.oldest = slot
        else:
            self._newest.newer = slot
        self._newest = slot

    def remove(self, slot: S) -> None:
        """Take out a slot of this queue."""
        newer, older = slot.newer, slot.older
        if self._hand is slot:
            self._hand = newer
        if newer is None:
            self._newest = older
        else:
            newer.older = older
        if older is None:
            self.oldest = newer
        else:
            older.newer = newer
        slot.newer = slot.older = None

    def victim(self) -> S:
        """The slot to evict next, still in the queue. Raises LookupError if there is none."""
        slot = self._hand or self.oldest
        if slot is None:
            raise LookupError("an empty queue has nothing to evict")
        while slot.visited:
            slot.visited = False
            slot = slot.newer or self.oldest or slot
        self._hand = slot
        return slot


K = TypeVar("K")
V = TypeVar("V")


class _SieveNode(Slot, Generic[K, V]):
    __slots__ = ("key", "value", "weight")

    def __init__(self, key: K, value: V, weight: int) -> None:
        super().__init__()
        self.key = key
        self.value = value
        self.weight = weight


class Sieve(Generic[K, V]):
    """A mapping whose weights add up to at most `max_bytes`; not for several threads.

    `bytes` is the sum of the weights, `evictions` how many entries were evicted since the start.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.evictions = 0
        self._items: dict[K, _SieveNode[K, V]] = {}
        self._queue: FifoQueue[_SieveNode[K, V]] = FifoQueue()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: K) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def get(self, key: K) -> V | None:
        """The value, which is marked as used."""
        item = self._items.get(key)
        if item is None:
            return None
        item.visited = True
        return item.value

    def put(self, key: K, value: V, weight: int) -> bool:
        """Store `value` in place of any other under `key`; False, and nothing is under `key`, if it
        alone is heavier than `max_bytes`. Raises ValueError for a weight below 1.
        """
        if weight < 1:
            raise ValueError("a weight is at least 1 byte")
        self.remove(key)
        if weight > self.max_bytes:
            return False
        while self.bytes + weight > self.max_bytes:
            self._drop(self._queue.victim())
            self.evictions += 1
        item = self._items[key] = _SieveNode(key, value, weight)
        self._queue.add(item)
        self.bytes += weight
        return True

    def remove(self, key: K) -> V | None:
        """Remove and return the value under `key`."""
        item = self._items.get(key)
        if item is None:
            return None
        self._drop(item)
        return item.value

    def clear(self) -> None:
        """Remove everything; counts of the past stay."""
        for item in self._queue:
            self._drop(item)
        self._items = {}  # an emptied dict keeps its size

    def _drop(self, item: _SieveNode[K, V]) -> None:
        self._queue.remove(item)
        del self._items[item.key]
        self.bytes -= item.weight
