"""The whole application, in the order a request meets it.

`build` is what serve_config.yaml names. This module must not import `annotations` from
`__future__`: Serve reads the raw annotation to find the typed args.
"""

from ray import serve
from ray.serve import Application

from cluster.runtime.settings import Settings
from deployments.clients.serve.node_check import check_store_to_deploy
from deployments.ingress.config import IngressConfig
from deployments.ingress.deployment import Ingress
from graphs.args import AppArgs
from graphs.cache import cache_config, cache_shards
from graphs.limits import limiter
from graphs.options import ingress_options
from graphs.text import deployments, embedders, model_settings, resilience, scaling, text_models
from graphs.video import clipper, video_config


def build(args: AppArgs) -> Application:
    """Compose the stages; raises pydantic's ValidationError with sentences for the operator."""
    return compose(args, Ingress)


def compose(args: AppArgs, ingress_class: type[Ingress]) -> Application:
    """The same with another ingress, for benchmarks."""
    args = AppArgs.model_validate(args)
    check_store_to_deploy(Settings())
    limits = limiter(args.limiter)
    models = text_models(args.models)
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
    )
    return ingress.bind(
        models,
        embedders(args.embeddings),
        limits,
        cache_shards(args.cache, replicas),
        config,
        clipper(args),
    )
