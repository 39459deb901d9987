"""The text stages: one deployment for each configured model, of text or of embeddings."""

from ray import serve
from ray.serve import Application

from cluster.resilience.spec import ResilienceSpec
from deployments.ingress.offer import Offer
from deployments.model.deployment import ModelReplica
from deployments.search.deployment import EmbedderReplica
from graphs.args import AppArgs, EmbeddingArgs, ModelArgs
from graphs.options import model_options


def text_models(models: tuple[ModelArgs, ...]) -> dict[str, Application]:
    """Model id -> its bound deployment."""
    return {
        model.id: serve.deployment(ModelReplica, **model_options(model)).bind(model.spec())
        for model in models
    }


def embedders(models: tuple[EmbeddingArgs, ...]) -> dict[str, Application]:
    """Embedding model id -> its bound deployment."""
    return {
        model.id: serve.deployment(EmbedderReplica, **model_options(model)).bind(model.spec())
        for model in models
    }


def offer(args: AppArgs) -> Offer:
    """What the ingress may say of the models."""
    return Offer(
        default_provider=args.default_provider,
        providers=args.content.providers,
        output_caps={model.id: model.max_output_tokens for model in args.models},
        costs={m.id: m.costs for m in args.models} | {m.id: m.costs for m in args.embeddings},
    )


def resilience(args: AppArgs) -> dict[str, ResilienceSpec]:
    """How calls of each model are kept from failing."""
    texts = {model.id: model.resilience for model in args.models}
    return texts | {model.id: model.resilience for model in args.embeddings}
