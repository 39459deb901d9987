"""The model stages: one deployment for each text model, embedding model or classifier."""

from ray import serve
from ray.serve import Application

from cluster.autoscaling.spec import ScalingSpec
from cluster.resilience.spec import ResilienceSpec
from deployments.ingress.config import ModelSettings
from deployments.model.classification.deployment import ClassifierReplica
from deployments.model.deployment import ModelReplica
from deployments.model.embeddings.deployment import EmbedderReplica
from deployments.providers.build import provider_name
from graphs.args import AppArgs
from graphs.model_args import ClassifierArgs, EmbeddingArgs, ModelArgs
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


def classifiers(models: tuple[ClassifierArgs, ...]) -> dict[str, Application]:
    """Classifier id -> its bound deployment."""
    return {
        model.id: serve.deployment(ClassifierReplica, **model_options(model)).bind(
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
        costs={model.id: model.costs for model in (*args.served, *args.external)},
        prices={model.id: model.prices for model in (*args.served, *args.external) if model.prices},
        providers_of={model.id: provider_name(model, model.engine) for model in args.external},
    )


def resilience(args: AppArgs) -> dict[str, ResilienceSpec]:
    """Resilience options by model id."""
    return {model.id: model.resilience for model in (*args.served, *args.external)}


def deployments(args: AppArgs) -> dict[str, str]:
    """Model id -> the name of its deployment."""
    return {model.id: model_name(model.id) for model in args.served}


def by_handle(args: AppArgs) -> frozenset[str]:
    """The ids of the models whose calls go by Serve handle."""
    return frozenset(model.id for model in args.served if model.transport == "serve")


def scaling(args: AppArgs) -> dict[str, ScalingSpec]:
    """Scaling specs by deployment name; deployments with a fixed size are left out."""
    specs = {model.id: model.scaling for model in args.served}
    return {model_name(id): spec for id, spec in specs.items() if spec is not None}
