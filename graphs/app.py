"""The application graph, in the order in which a request passes it.

serve_config.yaml refers to `build`. This module must not import `annotations` from
`__future__`: Serve reads the raw annotation for the typed args.
"""

from ray import serve
from ray.serve import Application

from cluster.runtime.clock import SystemClock
from cluster.runtime.settings import Settings
from deployments.clients.serve.node_check import check_store_to_deploy
from deployments.ingress.config import IngressConfig
from deployments.ingress.deployment import Ingress
from deployments.limiter.deployment import LimiterReplica
from graphs.args import AppArgs, LimiterArgs
from graphs.cache import cache_config, cache_shards
from graphs.media import media, media_config
from graphs.moderation import moderation_config
from graphs.options import ingress_options, limiter_options
from graphs.provider_args import providers_config
from graphs.search import search_config, search_shards
from graphs.text import (
    by_handle,
    classifiers,
    deployments,
    embedders,
    model_settings,
    resilience,
    scaling,
    text_models,
)
from graphs.text_analysis import text_analysis
from graphs.video import clipper, video_config


def limiters(args: LimiterArgs) -> list[Application]:
    """A bound deployment for each shard, or none for Redis. Raises ValueError if that has no URL.

    The time is the version of the shards' layout: of two deploys the later one counts.
    """
    has_redis = Settings().redis_url is not None
    if args.authority == "redis" and not has_redis:
        raise ValueError("limiter.authority is redis, but MOBULA_REDIS_URL is not set")
    if args.authority == "redis" or (args.authority == "auto" and has_redis):
        return []
    version = int(1000 * SystemClock().wall())
    return [
        serve.deployment(LimiterReplica, **limiter_options(args, number, version)).bind(number)
        for number in range(args.shards)
    ]


def build(args: AppArgs) -> Application:
    """Composes the stages. Raises pydantic's ValidationError with messages for the operator."""
    return compose(args, Ingress)


def compose(args: AppArgs, ingress_class: type[Ingress]) -> Application:
    """Composes the stages with another ingress class, for benchmarks."""
    args = AppArgs.model_validate(args)
    check_store_to_deploy(Settings())
    authority = limiters(args.limiter)
    models, embedding_models = text_models(args.local_models), embedders(args.local_embeddings)
    ingress = serve.deployment(
        serve.ingress()(ingress_class), **ingress_options(args.ingress, args.video)
    )
    replicas = args.ingress.replicas
    config = IngressConfig(
        model_settings(args),
        cache_config(args.cache, replicas),
        video_config(args),
        resilience(args),
        deployments(args),
        scaling(args),
        by_handle(args),
        tuple(model.id for model in args.rerank),
        moderation_config(args.moderation),
        providers_config(args.provider_models, args.provider_embeddings, args.egress),
        args.name_settings,
        args.guardrails.config(),
        args.health.config(args.egress.private_hosts, replicas),
        args.text.enabled,
        media_config(args),
        search_config(args.search),
    )
    return ingress.bind(
        models,
        embedding_models,
        authority,
        cache_shards(args.cache, replicas),
        config,
        clipper(args),
        classifiers(args.classifiers),
        text_analysis(args, embedding_models),
        media(args),
        search_shards(args.search),
    )
