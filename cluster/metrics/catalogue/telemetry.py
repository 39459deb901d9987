"""What becomes of traces and log lines themselves."""

from cluster.metrics.metric import counter, gauge

TRACES = counter(
    "mobula_traces_recorded_total",
    "Traces that a replica has recorded: sampled, failed or slow requests.",
    source="ingress",
)
SPANS = counter(
    "mobula_trace_spans_total",
    "Spans for the collector: those that it took, and those that were lost.",
    source="ingress, model, clipper",
    labels=("outcome",),
    labels_from="exported, lost",
)
SPANS_QUEUED = gauge(
    "mobula_trace_spans_queued",
    "Spans that wait to be sent to the collector.",
    source="ingress, model, clipper",
)
LOG_LINES_LOST = counter(
    "mobula_log_lines_lost_total",
    "Lines that could not be written: of the access log, of the application's log.",
    source="every replica",
    labels=("log",),
    labels_from="access, application",
)
LOG_LINES_SUPPRESSED = counter(
    "mobula_log_lines_suppressed_total",
    "Lines that were left out because equal ones were written too often.",
    source="every replica",
)
ERRORS = counter(
    "mobula_logged_errors_total",
    "Errors that the process has logged.",
    source="every replica",
)
ERROR_GROUPS = gauge(
    "mobula_error_groups",
    "Different errors that the process has logged, by fingerprint.",
    source="every replica",
)
