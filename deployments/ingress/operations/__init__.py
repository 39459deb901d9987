"""Every operation by the name under which HTTP routes and Python handles find it."""

from typing import Any

from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.chat import Chat
from deployments.ingress.operations.clips import Clips, GetJob
from deployments.ingress.operations.completions import Completions
from deployments.ingress.operations.content import CaptionBatch, Captions, PostBatch, Posts
from deployments.ingress.operations.embeddings import TextEmbeddings
from deployments.ingress.services import AppServices

Operations = dict[str, Operation[Any]]


def operations(services: AppServices) -> Operations:
    """Build each operation over the services it needs."""
    path, providers = services.path, services.providers
    return {
        "chat": Chat(path),
        "completions": Completions(path),
        "embeddings": TextEmbeddings(services.embeddings),
        "captions": Captions(providers),
        "captions.batch": CaptionBatch(providers),
        "posts": Posts(providers),
        "posts.batch": PostBatch(providers),
        "clips": Clips(services.media, services.plan_of),
        "jobs.get": GetJob(services.media),
    }
