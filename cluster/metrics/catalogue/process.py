"""Each process of ours: what it uses, and how late its event loop runs."""

from cluster.metrics.metric import counter, gauge

_DEPLOYMENT = ("deployment",)
_DEPLOYMENTS = "names of deployments"
_SOURCE = "every replica"

CPU = counter(
    "mobula_process_cpu_seconds_total",
    "Seconds of CPU that the process has used.",
    source=_SOURCE,
    labels=_DEPLOYMENT,
    labels_from=_DEPLOYMENTS,
)
STARTED = gauge(
    "mobula_process_start_time_seconds",
    "Unix time at which the process started.",
    source=_SOURCE,
    labels=_DEPLOYMENT,
    labels_from=_DEPLOYMENTS,
)
MEMORY = gauge(
    "mobula_process_resident_memory_bytes",
    "Memory of the process that is resident.",
    source=_SOURCE,
    labels=_DEPLOYMENT,
    labels_from=_DEPLOYMENTS,
)
OPEN_FILES = gauge(
    "mobula_process_open_fds",
    "Files and sockets that the process has open.",
    source=_SOURCE,
    labels=_DEPLOYMENT,
    labels_from=_DEPLOYMENTS,
)
THREADS = gauge(
    "mobula_process_threads",
    "Threads of the process.",
    source=_SOURCE,
    labels=_DEPLOYMENT,
    labels_from=_DEPLOYMENTS,
)
LOOP_LAG = gauge(
    "mobula_event_loop_lag_seconds",
    "Seconds that the event loop was late at most, lately.",
    source=_SOURCE,
    labels=_DEPLOYMENT,
    labels_from=_DEPLOYMENTS,
)
