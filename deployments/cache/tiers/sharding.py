"""The home shard of a key, and the shard that takes a call while the home is overloaded.

In: keys, and the calls that are in flight from this process. Out: shard indexes. Knows no shards.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mmh3


def preference_list(key: bytes, names: Sequence[str]) -> list[int]:
    """The indexes of the shards, the key's home first.

    Rendezvous hashing (Thaler and Ravishankar, 1998): every shard has a score for the key, and the
    highest wins. An added shard takes over only the keys for which it scores highest, 1/(N+1) of
    all; the keys of a removed shard scatter over the others.
    """
    scores = _scores(key, names)
    return sorted(range(len(names)), key=scores.__getitem__, reverse=True)


def _scores(key: bytes, names: Sequence[str]) -> list[int]:
    return [mmh3.mmh3_x64_128_uintdigest(name.encode() + b"\0" + key) for name in names]


class ShardSelector:
    """Consistent placement with bounded load (Mirrokni, Thorup and Zadimoghaddam, 2018).

    A shard has capacity for another call while it has fewer than `slack` times the mean of the
    calls in flight, this one included and rounded up; and always while it has fewer than `spare`,
    because a call to another shard finds little, and a few calls overload no shard. Some shard
    always has capacity.
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
        scores = _scores(key, self._names)
        return scores.index(max(scores))

    def with_capacity(self, key: bytes) -> Iterator[int]:
        """The key's home if it has capacity; else the others that have, in the key's order."""
        home, *others = preference_list(key, self._names)
        if self._has_capacity(home):
            yield home
            return
        yield from filter(self._has_capacity, others)

    @contextmanager
    def call(self, shard: int) -> Iterator[None]:
        """Count a call as in flight on `shard`."""
        self._calls[shard] += 1
        try:
            yield
        finally:
            self._calls[shard] -= 1

    def _has_capacity(self, shard: int) -> bool:
        limit = math.ceil(self._slack * (sum(self._calls) + 1) / len(self._calls))
        return self._calls[shard] < max(self._spare, limit)
