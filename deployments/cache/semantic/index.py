"""Vectors of remembered requests, found by cosine, each tenant's and frame's apart.

In: vectors of length 1. Out: the nearest one of the same tenant and frame, exactly. Bounded: the
least recently used is forgotten. Knows no texts and no answers.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deployments.cache.semantic.error_bound import SimilarityCalibration

Vector = NDArray[np.float32]

_FIRST_ROWS = 8


@dataclass(slots=True, eq=False)
class IndexedRequest:
    """One request: where it belongs, under which `key` its answer is kept, what it has taught."""

    tenant: str
    frame: bytes
    key: bytes
    row: int = -1  # -1: it is no longer in the index
    curve: SimilarityCalibration = field(default_factory=SimilarityCalibration)


class _Frame:
    """The vectors of one tenant and frame, in rows without gaps."""

    def __init__(self, dimensions: int) -> None:
        self.vectors = np.zeros((_FIRST_ROWS, dimensions), dtype=np.float32)
        self.entries: list[IndexedRequest] = []

    def add(self, vector: Vector, entry: IndexedRequest) -> None:
        rows = len(self.entries)
        if rows == len(self.vectors):
            self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)])
        self.vectors[rows] = vector
        entry.row = rows
        self.entries.append(entry)

    def remove(self, entry: IndexedRequest) -> None:
        last = self.entries.pop()
        if last is not entry:
            self.vectors[entry.row] = self.vectors[last.row]
            self.entries[entry.row] = last
            last.row = entry.row
        entry.row = -1

    def nearest(self, vector: Vector) -> tuple[IndexedRequest, float]:
        similarities = self.vectors[: len(self.entries)] @ vector
        row = int(similarities.argmax())
        return self.entries[row], float(similarities[row])


@dataclass(slots=True)
class _TenantIndex:
    """`used` holds the entries by last use, the oldest first."""

    frames: dict[bytes, _Frame] = field(default_factory=dict)
    used: OrderedDict[int, IndexedRequest] = field(default_factory=OrderedDict)


class VectorIndex:
    """At most `per_tenant` entries of a tenant and `total` of all; the largest tenant gives way."""

    def __init__(self, per_tenant: int = 2_000, total: int = 20_000) -> None:
        self._per_tenant = per_tenant
        self._total = total
        self._tenants: dict[str, _TenantIndex] = {}

    def __len__(self) -> int:
        return sum(len(tenant.used) for tenant in self._tenants.values())

    def entries(self, tenant: str) -> int:
        found = self._tenants.get(tenant)
        return 0 if found is None else len(found.used)

    def nearest(
        self, tenant: str, frame: bytes, vector: Vector
    ) -> tuple[IndexedRequest, float] | None:
        """The nearest entry and its cosine, which counts as a use; None if there is none."""
        found = self._tenants.get(tenant)
        if found is None or (vectors := found.frames.get(frame)) is None:
            return None
        entry, similarity = vectors.nearest(vector)
        found.used.move_to_end(id(entry))
        return entry, similarity

    def add(self, tenant: str, frame: bytes, vector: Vector, key: bytes) -> IndexedRequest:
        """Raises ValueError for a vector of another size than the frame's others."""
        found = self._tenants.setdefault(tenant, _TenantIndex())
        vectors = found.frames.setdefault(frame, _Frame(len(vector)))
        entry = IndexedRequest(tenant, frame, key)
        vectors.add(vector, entry)
        found.used[id(entry)] = entry
        if len(found.used) > self._per_tenant:
            self.remove(next(iter(found.used.values())))
        if len(self) > self._total:
            largest = max(self._tenants.values(), key=lambda tenant: len(tenant.used))
            self.remove(next(iter(largest.used.values())))
        return entry

    def remove(self, entry: IndexedRequest) -> None:
        """Forget an entry; nothing happens if that is done already."""
        if entry.row < 0:
            return
        found = self._tenants[entry.tenant]
        vectors = found.frames[entry.frame]
        vectors.remove(entry)
        del found.used[id(entry)]
        if not vectors.entries:
            del found.frames[entry.frame]
        if not found.used:
            del self._tenants[entry.tenant]

    def clear(self, tenant: str) -> None:
        """Forget everything of a tenant."""
        found = self._tenants.pop(tenant, _TenantIndex())
        for entry in found.used.values():
            entry.row = -1
