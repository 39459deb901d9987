"""How long the queue of jobs is, and its figures for the scrape."""

from collections.abc import Iterator
from dataclasses import dataclass

from cluster.metrics.catalogue import jobs
from cluster.metrics.series import Reading


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Jobs that a worker could claim now, running jobs, and the wait of the oldest of the former
    (seconds)."""

    queued: int
    running: int
    oldest_s: float

    def summary(self) -> dict[str, int | float]:
        return {"queued": self.queued, "running": self.running, "oldest_s": self.oldest_s}


def depth_readings(depth: QueueDepth | None) -> Iterator[Reading]:
    """None: nobody has looked, or the store was away; then there is nothing to tell."""
    if depth is not None:
        yield jobs.JOBS, [(("queued",), depth.queued), (("running",), depth.running)]
        yield jobs.OLDEST_WAIT, [((), depth.oldest_s)]
