"""What jobs about documents need of the process that runs them: requests for the jobs' owners.

Calls are authenticated as the key or user that ordered the job, at the time of the call, admitted
and limited as any other request. What they use is collected, and charged with what it led to.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from cluster.collections.model import Collection
from cluster.tenants.caller import Caller
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.embedding import Vectors
from deployments.contracts.jobs import Job


class ReadingCall(Protocol):
    """An admitted request to read one document. `caller` is whom it is read for."""

    @property
    def caller(self) -> Caller: ...

    async def reserve(self, pages: int) -> None:
        """Once, before they are read. Raises RateLimited, QuotaExceeded."""
        ...

    def used(self, pages: int) -> CollectedUsage:
        """The charge for pages that were read."""
        ...


class DocumentCalls(Protocol):
    """Requests of jobs. Raises Unauthenticated and Forbidden where the owner has gone, and what
    limits and models raise."""

    def reading(self, job: Job) -> AbstractAsyncContextManager[ReadingCall]: ...

    async def embed(
        self, job: Job, collection: Collection, texts: Sequence[str], usage: CollectedUsage
    ) -> Vectors:
        """One row a text, by the collection's model."""
        ...

    async def language_of(self, job: Job, text: str, usage: CollectedUsage) -> str:
        """ISO 639; empty where nobody can tell."""
        ...
