"""What becomes of log lines, and the errors among them."""

from cluster.metrics.metric import counter, gauge

LINES_LOST = counter(
    "mobula_log_lines_lost_total",
    "Lines that could not be written: of the access log, of the application's log.",
    source="every replica",
    labels=("log",),
    labels_from="access, application",
)
LINES_SUPPRESSED = counter(
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
