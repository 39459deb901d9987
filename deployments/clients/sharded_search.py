"""The client of all search shards: a collection's calls go to the shard that owns it.

In: SearchRequests. Out: SearchAnswers.
"""

from collections.abc import Sequence

from cluster.collections.sharding import search_shard
from deployments.clients.model_client import SearchShardClient
from deployments.contracts.search import SearchAnswer, SearchRequest


class ShardedSearch:
    """Implements `CollectionSearch`. `shards` are by number; whoever made them closes them."""

    def __init__(self, shards: Sequence[SearchShardClient]) -> None:
        self.shards = tuple(shards)

    async def search(self, request: SearchRequest) -> SearchAnswer:
        number = search_shard(request.caller.tenant, request.collection.id, len(self.shards))
        return await self.shards[number].search(request)
