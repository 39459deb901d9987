"""The queue of video jobs."""

from cluster.metrics.metric import JOB_S, counter, gauge, histogram

_KINDS = "video.clips, video.import"

JOBS = gauge(
    "mobula_jobs",
    "Jobs in the queue by state, as a worker sees them in the store.",
    source="clipper",
    labels=("state",),
    labels_from="queued, running",
)
OLDEST_WAIT = gauge(
    "mobula_job_oldest_wait_seconds",
    "Seconds that the oldest queued job has waited.",
    source="clipper",
)
QUEUE_WAIT = histogram(
    "mobula_job_queue_wait_seconds",
    "Seconds from the order of a job to the first attempt at it.",
    source="clipper",
    labels=("kind",),
    buckets=JOB_S,
    labels_from=_KINDS,
)
DURATION = histogram(
    "mobula_job_duration_seconds",
    "Seconds of attempts at jobs, by how they ended; released: the worker closed.",
    source="clipper",
    labels=("kind", "outcome"),
    buckets=JOB_S,
    labels_from=f"{_KINDS}; finished, failed, canceled, released, lost",
)
STAGES = histogram(
    "mobula_job_stage_seconds",
    "Seconds that attempts at jobs spent in a stage.",
    source="clipper",
    labels=("kind", "stage"),
    buckets=JOB_S,
    labels_from=f"{_KINDS}; names of stages",
)
CLIPS = counter(
    "mobula_clips_total",
    "Clips that were rendered, or could not be.",
    source="clipper",
    labels=("outcome",),
    labels_from="ready, failed",
)
VIDEO_SECONDS = counter(
    "mobula_video_seconds_total",
    "Seconds of the recordings of clip jobs that have finished.",
    source="clipper",
)
