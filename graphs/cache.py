"""The cache's shared tier (cache shards, a Redis, or none) and the ingress's cache config."""

from ray import serve
from ray.serve import Application

from cluster.runtime.redis_url import is_cluster_url
from cluster.runtime.settings import Settings
from deployments.cache.config import OFF, CacheConfig
from deployments.cache.deployment import CacheShard
from graphs.cache_args import CacheArgs
from graphs.options import cache_options

_MIB = 1 << 20


def cache_shards(args: CacheArgs, ingresses: int) -> list[Application]:
    """One deployment per shard; none if the shared tier is Redis or off."""
    if shared_tier(args, ingresses) != "embedded":
        return []
    size = args.shared_mib * _MIB // args.shards
    return [
        serve.deployment(CacheShard, **cache_options(args, number)).bind(size)
        for number in range(args.shards)
    ]


def cache_config(args: CacheArgs, ingresses: int) -> CacheConfig:
    """Raises ValueError if Redis has no URL."""
    if not args.enabled:
        return OFF
    return CacheConfig(
        memory_bytes=args.memory_mib * _MIB,
        redis=shared_tier(args, ingresses) == "redis",
        archive=args.archive,
        archive_bytes=args.archive_mib * _MIB,
        fresh_s=args.fresh_s,
        stale_s=max(args.fresh_s, args.stale_s),
        error_s=max(args.fresh_s, args.stale_s, args.error_s),
        semantic_model=args.semantic.model,
        semantic_error=args.semantic.error,
        semantic_alike=args.semantic.alike,
    )


def shared_tier(args: CacheArgs, ingresses: int) -> str:
    """`embedded`, `redis` or `off`; off by default for one ingress replica. A Redis Cluster holds
    limits only."""
    url = Settings().redis_url
    has_redis = url is not None and not is_cluster_url(url.get_secret_value())
    if args.shared == "redis" and not has_redis:
        problem = "is not set" if url is None else "names a Redis Cluster, which holds limits only"
        raise ValueError(f"cache.shared is redis, but MOBULA_REDIS_URL {problem}")
    if not args.enabled or args.shared != "auto":
        return args.shared if args.enabled else "off"
    if has_redis:
        return "redis"
    return "embedded" if ingresses > 1 else "off"
