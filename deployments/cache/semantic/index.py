"""Exact nearest-neighbour index over embeddings of requests, separate by tenant and context.

In: vectors of length 1. Out: the nearest one by cosine, of the same tenant and context. Bounded:
the least recently used is evicted. Knows no texts and no responses.
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
    """One request: its tenant and context, the `key` of its response, its calibration curve."""

    tenant: str
    context: bytes
    key: bytes
    row: int = -1  # -1: it is no longer in the index
    curve: SimilarityCalibration = field(default_factory=SimilarityCalibration)


class _ContextVectors:
    """The vectors of one tenant and context, in rows without gaps."""

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
    """`used` has the entries in the order of their last use, the oldest first."""

    contexts: dict[bytes, _ContextVectors] = field(default_factory=dict)
    used: OrderedDict[int, IndexedRequest] = field(default_factory=OrderedDict)


class VectorIndex:
    """At most `per_tenant` entries of a tenant and `total` of all; the largest tenant evicts."""

    def __init__(self, per_tenant: int = 2_000, total: int = 20_000) -> None:
        self._per_tenant = per_tenant
        self._total = total
        self._tenants: dict[str, _TenantIndex] = {}

    def __len__(self) -> int:
        return sum(len(tenant.used) for tenant in self._tenants.values())

    def entries(self, tenant: str) -> int:
        index = self._tenants.get(tenant)
        return 0 if index is None else len(index.used)

    def nearest(
        self, tenant: str, context: bytes, vector: Vector
    ) -> tuple[IndexedRequest, float] | None:
        """The nearest entry and its cosine, which counts as a use; None if there is none."""
        index = self._tenants.get(tenant)
        if index is None or (vectors := index.contexts.get(context)) is None:
            return None
        entry, similarity = vectors.nearest(vector)
        index.used.move_to_end(id(entry))
        return entry, similarity

    def add(self, tenant: str, context: bytes, vector: Vector, key: bytes) -> IndexedRequest:
        """Raises ValueError for a vector of another size than the others of the context."""
        index = self._tenants.setdefault(tenant, _TenantIndex())
        vectors = index.contexts.setdefault(context, _ContextVectors(len(vector)))
        entry = IndexedRequest(tenant, context, key)
        vectors.add(vector, entry)
        index.used[id(entry)] = entry
        if len(index.used) > self._per_tenant:
            self.remove(next(iter(index.used.values())))
        if len(self) > self._total:
            largest = max(self._tenants.values(), key=lambda tenant: len(tenant.used))
            self.remove(next(iter(largest.used.values())))
        return entry

    def remove(self, entry: IndexedRequest) -> None:
        """Remove an entry; no effect if it is removed already."""
        if entry.row < 0:
            return
        index = self._tenants[entry.tenant]
        vectors = index.contexts[entry.context]
        vectors.remove(entry)
        del index.used[id(entry)]
        if not vectors.entries:
            del index.contexts[entry.context]
        if not index.used:
            del self._tenants[entry.tenant]

    def clear(self, tenant: str) -> None:
        """Remove everything of a tenant."""
        index = self._tenants.pop(tenant, _TenantIndex())
        for entry in index.used.values():
            entry.row = -1
