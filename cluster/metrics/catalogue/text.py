"""What the deployment that analyses texts does."""

from cluster.metrics.metric import LATENCY_S, counter, gauge, histogram

_OPERATIONS = "names of operations of text analysis"

CALLS = counter(
    "mobula_text_calls_total",
    "Calls of text analysis that ended, by outcome.",
    source="text",
    labels=("outcome",),
    labels_from="finished, cancelled, refused, failed",
)
CHARACTERS = counter(
    "mobula_text_characters_total",
    "Characters of the texts of calls that were taken.",
    source="text",
)
OPEN_CHARACTERS = gauge(
    "mobula_text_open_characters",
    "Characters of the texts of calls that are open.",
    source="text",
)
DURATION = histogram(
    "mobula_text_operation_duration_seconds",
    "Seconds from the begin of a call to the results of an operation for all of its texts.",
    source="text",
    labels=("operation",),
    buckets=LATENCY_S,
    labels_from=_OPERATIONS,
)
UNSUPPORTED = counter(
    "mobula_text_unsupported_total",
    "Results that an operation did not give: not installed, or not its language.",
    source="text",
    labels=("operation",),
    labels_from=_OPERATIONS,
)
EMBEDDED = counter(
    "mobula_text_embedded_strings_total",
    "Strings whose vectors analysis wanted, by where they came from.",
    source="text",
    labels=("source",),
    labels_from="model, memory",
)
