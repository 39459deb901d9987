"""The configuration of the deployment `Search`, beside its settings."""

from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class SearchConfig:
    """A shard holds about `memory_bytes` of collections in memory."""

    enabled: bool = True
    memory_bytes: int = 2 << 30
