"""The model stages: one deployment for each text or embedding model."""

from ray import serve
from ray.serve import Application

from cluster.autoscaling.spec import ScalingSpec
from cluster.resilience.spec import ResilienceSpec
from deployments.ingress.config import ModelSettings
from deployments.model.deployment import ModelReplica
from deployments.model.embeddings.deployment import EmbedderReplica
from graphs.args import AppArgs, EmbeddingArgs, ModelArgs
from graphs.options import model_name, model_options


def text_models(models: tuple[ModelArgs, ...]) -> dict[str, Application]:
    """Model id -> its bound deployment."""
    return {
        model.id: serve.deployment(ModelReplica, **model_options(model)).bind(
            model.spec().model_dump(mode="json")
        )
        for model in models
    }


def embedders(models: tuple[EmbeddingArgs, ...]) -> dict[str, Application]:
    """Embedding model id -> its bound deployment."""
    return {
        model.id: serve.deployment(EmbedderReplica, **model_options(model)).bind(
            model.spec().model_dump(mode="json")
        )
        for model in models
    }


def model_settings(args: AppArgs) -> ModelSettings:
    """Model settings for the ingress."""
    return ModelSettings(
        default_provider=args.default_provider,
        providers=args.content.providers,
        output_caps={
            model.id: min(model.max_output_tokens, model.context_length or model.max_output_tokens)
            for model in args.models
        },
        costs={m.id: m.costs for m in args.models} | {m.id: m.costs for m in args.embeddings},
    )


def resilience(args: AppArgs) -> dict[str, ResilienceSpec]:
    """Resilience options by model id."""
    texts = {model.id: model.resilience for model in args.models}
    return texts | {model.id: model.resilience for model in args.embeddings}


def deployments(args: AppArgs) -> dict[str, str]:
    """Model id -> the name of its deployment."""
    ids = [model.id for model in args.models] + [model.id for model in args.embeddings]
    return {id: model_name(id) for id in ids}


def by_handle(args: AppArgs) -> frozenset[str]:
    """The ids of the models whose calls go by Serve handle."""
    models: tuple[ModelArgs | EmbeddingArgs, ...] = (*args.models, *args.embeddings)
    return frozenset(model.id for model in models if model.transport == "serve")


def scaling(args: AppArgs) -> dict[str, ScalingSpec]:
    """Scaling specs by deployment name; deployments with a fixed size are left out."""
    specs = {model.id: model.scaling for model in args.models}
    specs |= {model.id: model.scaling for model in args.embeddings}
    return {model_name(id): spec for id, spec in specs.items() if spec is not None}
