"""The stage that analyses texts, over the embedding model that is served anyway."""

from collections.abc import Mapping

from ray import serve
from ray.serve import Application

from deployments.content.text_operations import content_text_operations
from deployments.text.deployment import TextReplica
from graphs.args import AppArgs
from graphs.options import text_options


def text_analysis(args: AppArgs, embedders: Mapping[str, Application]) -> Application | None:
    """The bound deployment, or None if it is off. `embedders` are the bound embedding models."""
    if not args.text.enabled:
        return None
    embedder = args.text.embedder or next(iter(args.text_embedders), None)
    deployment = serve.deployment(TextReplica, **text_options(args.text))
    further = content_text_operations()
    if embedder is None:
        return deployment.bind(None, "", further)
    return deployment.bind(embedders[embedder], embedder, further)
