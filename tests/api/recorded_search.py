"""The search of collections in this process, which notes what it is asked."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.database import Database
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.search import SearchAnswer, SearchRequest
from deployments.search.searcher import CollectionSearcher


class RecordedSearch:
    """Implements CollectionSearch."""

    def __init__(self, database: Database) -> None:
        self.requests: list[SearchRequest] = []
        self._searcher = CollectionSearcher(database)

    async def search(self, request: SearchRequest) -> SearchAnswer:
        self.requests.append(request)
        return await self._searcher.search(request)

    async def close(self) -> None:
        await self._searcher.close()


class NotCharged:
    """A store of collected usage that keeps none."""

    async def store_collected(
        self, connection: AsyncConnection, collected: Iterable[CollectedUsage]
    ) -> None: ...

    def confirm_collected(self, collected: Iterable[CollectedUsage]) -> None: ...
