"""What the routes of batches and files need of their process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cluster.storage.database import Database, DatabaseUnavailable
from deployments.batches.file_batch_store import FileBatchState, FileBatchStore
from deployments.batches.item_store import BatchItemStore
from deployments.batches.model import FILE_KIND, ItemCounts
from deployments.contracts.jobs import Job
from deployments.files.store import FileStore
from deployments.jobs.store import JobStore


@dataclass(frozen=True)
class BatchServices:
    """`wake` tells the worker of this process that a job was added. `paths` are those of the routes
    of operations, with the operations' names."""

    database: Database
    jobs: JobStore
    items: BatchItemStore
    files: FileStore
    wake: Callable[[], None]
    paths: Mapping[str, str] = field(default_factory=dict)
    file_batches: FileBatchStore = field(default_factory=FileBatchStore)

    async def counts(
        self, tenant: str, jobs: Sequence[Job]
    ) -> dict[str, tuple[ItemCounts, FileBatchState | None]]:
        """By job; the state of those whose lines are in files."""
        in_files = [job.id for job in jobs if job.kind == FILE_KIND]
        inline = [job.id for job in jobs if job.kind != FILE_KIND]
        found: dict[str, tuple[ItemCounts, FileBatchState | None]] = {}
        async with self.database.read() as connection:
            if inline:
                counted = await self.items.counts(connection, tenant, inline)
                found |= {job: (counts, None) for job, counts in counted.items()}
            if in_files:
                states = await self.file_batches.states(connection, tenant, in_files)
                found |= {job: (counts_of(state), state) for job, state in states.items()}
        return found


def counts_of(state: FileBatchState) -> ItemCounts:
    return ItemCounts(state.total, state.succeeded, state.failed)


def require_batches(batches: BatchServices | None) -> BatchServices:
    """Raises DatabaseUnavailable where there is no store."""
    if batches is None:
        raise DatabaseUnavailable
    return batches
