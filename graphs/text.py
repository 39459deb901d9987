"""The text stages: one deployment for each configured model."""

from ray import serve
from ray.serve import Application

from deployments.model.deployment import ModelReplica
from graphs.args import ModelArgs
from graphs.options import model_options


def text_models(models: tuple[ModelArgs, ...]) -> dict[str, Application]:
    """Model id -> its bound deployment."""
    return {
        model.id: serve.deployment(ModelReplica, **model_options(model)).bind(model.spec())
        for model in models
    }
