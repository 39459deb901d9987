"""The tenant limiter's authority: a deployment of our own, unless a Redis keeps the limits."""

from ray import serve
from ray.serve import Application

from cluster.runtime.settings import Settings
from deployments.limiter.deployment import LimiterReplica
from graphs.args import LimiterArgs
from graphs.options import limiter_options


def limiter(args: LimiterArgs) -> Application | None:
    """The bound deployment, or None for Redis. Raises ValueError if Redis has no URL."""
    has_redis = Settings().redis_url is not None
    if args.authority == "redis" and not has_redis:
        raise ValueError("limiter.authority is redis, but MOBULA_REDIS_URL is not set")
    if args.authority == "redis" or (args.authority == "auto" and has_redis):
        return None
    return serve.deployment(LimiterReplica, **limiter_options(args)).bind()
