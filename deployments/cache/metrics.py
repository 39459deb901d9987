"""What the cache of one replica did, by tenant.

In: one line after each request. Out: whole numbers since the start. Tenants beyond the first
thousands are counted together, so that memory stays bounded.
"""

from dataclasses import dataclass, field, fields

from deployments.contracts.generation import TokenUsage

OTHERS = ""
_MOST = 10_000


@dataclass(slots=True)
class TenantCacheMetrics:
    """`misses` went on to the model or to who asked it; the rest as in CacheStats."""

    l1: int = 0
    l2: int = 0
    l3: int = 0
    semantic: int = 0
    misses: int = 0
    coalesced: int = 0
    stale_served: int = 0
    errors_covered: int = 0
    refreshes: int = 0
    bypassed: int = 0
    computed: int = 0
    stored: int = 0
    invalidated: int = 0
    tokens_saved: int = 0

    def hit(self, tier: str, usage: TokenUsage) -> None:
        """An answer of so many tokens came from `tier`."""
        setattr(self, tier, getattr(self, tier) + 1)
        self.tokens_saved += usage.prompt_tokens + usage.completion_tokens

    def add(self, other: "TenantCacheMetrics") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(slots=True)
class CacheMetrics:
    """All tenants' counts."""

    _tenants: dict[str, TenantCacheMetrics] = field(default_factory=dict)

    def of(self, tenant: str) -> TenantCacheMetrics:
        """The counts of one tenant, to be added to."""
        counts = self._tenants.get(tenant)
        if counts is None:
            name = tenant if len(self._tenants) < _MOST else OTHERS
            counts = self._tenants.setdefault(name, TenantCacheMetrics())
        return counts

    def total(self, tenant: str | None) -> TenantCacheMetrics:
        """A copy: of one tenant, or of all."""
        total = TenantCacheMetrics()
        for name, counts in self._tenants.items():
            if tenant is None or name == tenant:
                total.add(counts)
        return total
