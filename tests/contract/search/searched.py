"""Searches as the ingress sends them: with the version that the database has at the time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.collections.model import Collection, PointDraft
from cluster.collections.vectors import query_vector
from cluster.tenants.caller import Caller
from deployments.contracts.search import CollectionVersion, SearchAnswer, SearchRequest
from deployments.search.searcher import CollectionSearcher
from tests.contract.collections.conftest import StoredCollections, vector


def version_of(collection: Collection) -> CollectionVersion:
    return CollectionVersion(
        collection.id,
        collection.generation,
        collection.sequence,
        collection.purged,
        collection.dimensions,
        collection.metric,
    )


def around(count: int, first: int = 0) -> list[PointDraft]:
    """Points on a circle, which no two share."""
    angles = [0.05 + 0.01 * number for number in range(first, first + count)]
    return [
        PointDraft(f"p{first + at:03}", f"word{first + at} all", {"n": at % 3}, circle(angle))
        for at, angle in enumerate(angles)
    ]


def circle(angle: float) -> bytes:
    return vector(float(np.cos(angle)), float(np.sin(angle)))


@dataclass
class SearchedCollections:
    stored: StoredCollections
    searcher: CollectionSearcher

    async def search(
        self, collection: Collection, text: str = "", tenant: str = "acme", **fields: Any
    ) -> SearchAnswer:
        now = await self.stored.get(collection.id, tenant)
        return await self.searcher.search(request_for(now, text, tenant, **fields))

    async def ids(
        self, collection: Collection, text: str = "", tenant: str = "acme", **fields: Any
    ) -> list[str]:
        return [hit.id for hit in (await self.search(collection, text, tenant, **fields)).hits]


def request_for(
    collection: Collection, text: str = "", tenant: str = "acme", **fields: Any
) -> SearchRequest:
    angle = fields.pop("angle", None)
    near = b"" if angle is None else query_vector([np.cos(angle), np.sin(angle)], "cosine")
    values = {"mode": "hybrid", "limit": 100, **fields}
    return SearchRequest(
        "r1",
        Caller(tenant, "key", frozenset()),
        version_of(collection),
        text=text,
        vector=near,
        **values,
    )
