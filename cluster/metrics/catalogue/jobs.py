"""The queue of video jobs."""

from cluster.metrics.metric import gauge

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
