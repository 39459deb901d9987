"""What an operator has settled about the cache, as the graph hands it to the ingress."""

from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class CacheConfig:
    """`memory_bytes` of each ingress replica's own tier (0: off); `redis`: the shared tier is the
    settings' Redis (the embedded one comes as handles). `archive` is the lasting tier's folder,
    relative to the home, or URL (None: off), which holds `archive_bytes`. An answer is fresh for
    `fresh_s`, is served while it is computed anew until `stale_s`, and where computing fails until
    `error_s`, all from its making. `semantic_model` is the embedding model by which answers to like
    requests are found for tenants that may use it (None: off), and `semantic_error` the share of
    such answers that may be wrong. Two answers say the same if they have the same words, or where
    `semantic_alike` is given, vectors of at least that cosine.
    """

    memory_bytes: int = 0
    redis: bool = False
    archive: str | None = None
    archive_bytes: int = 1 << 30
    fresh_s: float = 3_600.0
    stale_s: float = 86_400.0
    error_s: float = 259_200.0
    semantic_model: str | None = None
    semantic_error: float = 0.01
    semantic_alike: float | None = None


OFF = CacheConfig()
