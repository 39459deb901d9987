"""Figures of the jobs of one worker: waits, attempts, stages, and what came of them.

In: events of attempts. Out: readings for the scrape. Kinds, stages and states are the handlers' own
names.
"""

from collections.abc import Iterator

from cluster.metrics.catalogue import jobs
from cluster.metrics.series import Counter, Histogram, Reading
from deployments.contracts.jobs import Job, JobResult, PartState

CLIPS = "video.clips"  # the kind of job whose parts are clips
_OUTCOMES: tuple[PartState, ...] = ("ready", "failed")


class JobMetrics:
    """All times are in seconds."""

    def __init__(self) -> None:
        self._waits = Histogram(jobs.QUEUE_WAIT)
        self._attempts = Histogram(jobs.DURATION)
        self._stages = Histogram(jobs.STAGES)
        self._clips, self._video_s = Counter(jobs.CLIPS), 0.0
        for outcome in _OUTCOMES:
            self._clips.add((outcome,), 0)

    def begin(self, job: Job, fence: int, now: float) -> None:
        """An attempt begins at `now` (Unix seconds); the first has the fence 1."""
        if fence == 1:
            self._waits.observe((job.kind,), max(0.0, now - job.created))

    def leave_stage(self, job: Job, stage: str, seconds: float) -> None:
        """An attempt has been in a stage for so long."""
        if stage:
            self._stages.observe((job.kind, stage), seconds)

    def finish_part(self, job: Job, state: PartState) -> None:
        """A part of a job has a new state."""
        if job.kind == CLIPS and state in _OUTCOMES:
            self._clips.add((state,))

    def end(self, job: Job, outcome: str, seconds: float, result: JobResult | None) -> None:
        """An attempt has ended: `finished` with a result, `failed`, `canceled`, `released` or
        `lost`."""
        self._attempts.observe((job.kind, outcome), seconds)
        if job.kind == CLIPS and result is not None:
            self._video_s += float(result.data.get("duration", 0.0))

    def read(self) -> Iterator[Reading]:
        """Since the start."""
        for series in (self._waits, self._attempts, self._stages, self._clips):
            yield from series.read()
        yield jobs.VIDEO_SECONDS, [((), self._video_s)]
