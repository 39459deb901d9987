"""Which shard a key lives on, and which one takes a call when that one is overloaded.

In: keys, and the calls that are in flight from this process. Out: shard numbers. Knows no shards.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mmh3


def preference_list(key: bytes, names: Sequence[str]) -> list[int]:
    """The numbers of the shards, the key's home first.

    Rendezvous hashing (Thaler and Ravishankar, 1998): every shard draws a number for the key, and
    the highest wins. Another shard takes over only the keys for which it draws the highest number,
    1/(N+1) of all; a shard's keys scatter over the others when it goes.
    """
    drawn = _drawn(key, names)
    return sorted(range(len(names)), key=drawn.__getitem__, reverse=True)


def _drawn(key: bytes, names: Sequence[str]) -> list[int]:
    return [mmh3.mmh3_x64_128_uintdigest(name.encode() + b"\0" + key) for name in names]


class ShardSelector:
    """Consistent placement with bounded load (Mirrokni, Thorup and Zadimoghaddam, 2018).

    A shard may take another call while it has fewer than `slack` times the mean of the calls in
    flight, this one included and rounded up; and always while it has fewer than `spare`, because a
    call elsewhere finds little, and a few calls overload nobody. Some shard always may.
    """

    def __init__(self, names: Sequence[str], slack: float = 1.25, spare: int = 32) -> None:
        """`slack` is at least 1."""
        self._names = tuple(names)
        self._slack = slack
        self._spare = spare
        self._calls = [0] * len(self._names)

    @property
    def calls(self) -> Sequence[int]:
        """In flight now, by shard."""
        return tuple(self._calls)

    def home(self, key: bytes) -> int:
        drawn = _drawn(key, self._names)
        return drawn.index(max(drawn))

    def has_capacity(self, key: bytes) -> Iterator[int]:
        """The key's home if it may take a call; else, in the key's order, all that may."""
        home, *others = preference_list(key, self._names)
        if self._has_room(home):
            yield home
            return
        yield from filter(self._has_room, others)

    @contextmanager
    def call(self, shard: int) -> Iterator[None]:
        """Count a call as in flight on `shard`."""
        self._calls[shard] += 1
        try:
            yield
        finally:
            self._calls[shard] -= 1

    def _has_room(self, shard: int) -> bool:
        most = math.ceil(self._slack * (sum(self._calls) + 1) / len(self._calls))
        return self._calls[shard] < max(self._spare, most)
