"""Vectors for the semantic cache from an Embedder of the cluster.

In: a tenant and a text. Out: a vector of length 1. Nothing of it is charged to the tenant.
"""

import uuid

import numpy as np

from cluster.tenants.caller import Caller
from deployments.cache.semantic.index import Vector
from deployments.cache.semantic.semantic_cache import Embed
from deployments.contracts.embedding import Embedder, EmbedRequest


def vectors_of(embedder: Embedder, model: str, timeout_s: float = 1.0) -> Embed:
    """A function that embeds with `model`; it raises the embedder's Problems, such as for a text
    that is too long for the model."""

    async def embed(tenant: str, text: str) -> Vector:
        caller = Caller(tenant, "semantic-cache", frozenset())
        name = f"semantic-{uuid.uuid4().hex}"
        found = await embedder.embed(EmbedRequest(name, caller, model, (text,), timeout_s))
        vector = found.vectors[0]
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)

    return embed
