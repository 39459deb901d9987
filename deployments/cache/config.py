"""The operator's settings of the response cache, as the graph passes them to the ingress."""

from dataclasses import dataclass

from cluster.runtime.pickle_compat import version_tolerant


@version_tolerant
@dataclass(frozen=True, slots=True)
class CacheConfig:
    """`memory_bytes` of each ingress replica's own tier (0: off); `redis`: the shared tier is the
    settings' Redis (the embedded one comes as handles). `archive` is the folder of the object store
    tier, relative to the home, or its URL (None: off), of at most `archive_bytes`.

    An entry is fresh for `fresh_s`, is served while it is refreshed until `stale_s`, and if
    computing fails until `error_s`, all from its creation. `semantic_model` is the embedding model
    of semantic caching, for tenants that may use it (None: off), and `semantic_error` the share of
    its responses that may be wrong. Two responses are equal if they have the same words, or if
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
