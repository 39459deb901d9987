"""Results of text analysis in the memory of one replica, one entry an operation and text.

In: a tenant, a text, an operation by name and version, its options. Out: the result, or nothing.
Analysis is deterministic, so an entry is as good as a computation for as long as it is kept; a new
version of an operation has other keys. Entries are in the memory tier of the response cache, under
its budget and its invalidations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from cluster.runtime.clock import Clock
from deployments.cache.keys import analysis_key
from deployments.cache.metrics import CacheMetrics
from deployments.cache.policy import EntryPolicy
from deployments.cache.tiers.memory import MemoryTier
from deployments.contracts.cache import Directives
from deployments.contracts.text_analysis import TEXT

_SERVED = ("fresh", "early", "stale")

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnalysisKeys:
    """The keys of one request: `rows[i][j]` is that of text i and operation j. `as_of` is the
    number of the last invalidation that was known at the start."""

    tenant: str
    rows: Sequence[Sequence[bytes]]
    as_of: int
    directives: Directives


class AnalysisCache:
    """`secret_of` raises NotFound for an unknown tenant."""

    def __init__(
        self,
        memory: MemoryTier,
        policy: EntryPolicy,
        metrics: CacheMetrics,
        secret_of: Callable[[str], bytes],
        clock: Clock,
    ) -> None:
        self._memory = memory
        self._policy = policy
        self._metrics = metrics
        self._secret_of = secret_of
        self._clock = clock

    def keys(
        self,
        tenant: str,
        texts: Sequence[str],
        operations: Sequence[tuple[str, Any]],
        language: str,
        directives: Directives,
    ) -> AnalysisKeys | None:
        """`operations` are names with versions, and options. None: this request bypasses the
        cache."""
        invalidations = self._policy.invalidations
        if directives.no_store or self._clock.monotonic() > invalidations.current_until:
            self._metrics[tenant].bypassed += 1
            return None
        secret = self._secret_of(tenant)
        tags = sorted(set(directives.tags))
        versioned = [
            (by, orjson.dumps([options, language, tags], option=orjson.OPT_SORT_KEYS))
            for by, options in operations
        ]
        rows = [
            [analysis_key(secret, tenant, by, digest, options) for by, options in versioned]
            for digest in (blake2b(text.encode(), digest_size=32).digest() for text in texts)
        ]
        return AnalysisKeys(tenant, rows, invalidations.generations.latest, directives)

    def find(self, keys: AnalysisKeys) -> list[list[Result | None]]:
        """What is known of each text, by operation."""
        if keys.directives.no_cache:
            return [[None] * len(row) for row in keys.rows]
        return [[self._find(key, keys.directives.max_age_s) for key in row] for row in keys.rows]

    def count(self, tenant: str, *, is_hit: bool) -> None:
        """One request that was answered from here, or not."""
        metrics = self._metrics[tenant]
        if is_hit:
            metrics.l1 += 1
        else:
            metrics.misses += 1

    def add(self, keys: AnalysisKeys, row: int, column: int, result: Result, took_s: float) -> None:
        """Results that an installation would change are not kept."""
        if result.get("install"):
            return
        metrics = self._metrics[keys.tenant]
        metrics.computed += 1
        metrics.stored += 1
        body, tags = orjson.dumps(result), keys.directives.tags
        entry = self._policy.new_entry(keys.tenant, TEXT, keys.as_of, took_s, body, tags)
        self._memory.put(keys.rows[row][column], entry)

    def _find(self, key: bytes, max_age_s: float | None) -> Result | None:
        cached = self._memory.get(key)
        if cached is None or self._policy.state(cached.entry) not in _SERVED:
            return None
        entry = cached.entry
        if max_age_s is not None and self._clock.wall() - entry.created > max_age_s:
            return None
        result: Result = orjson.loads(entry.body)
        return result
