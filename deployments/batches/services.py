"""What the routes of batches need of their process."""

from collections.abc import Callable
from dataclasses import dataclass

from cluster.storage.database import Database, DatabaseUnavailable
from deployments.batches.item_store import BatchItemStore
from deployments.jobs.store import JobStore


@dataclass(frozen=True)
class BatchServices:
    """`wake` tells the worker of this process that a job was added."""

    database: Database
    jobs: JobStore
    items: BatchItemStore
    wake: Callable[[], None]


def require_batches(batches: BatchServices | None) -> BatchServices:
    """Raises DatabaseUnavailable where there is no store."""
    if batches is None:
        raise DatabaseUnavailable
    return batches
