"""What ingress replicas do with documents of tenants."""

from cluster.metrics.metric import LATENCY_S, counter, histogram

STEPS = counter(
    "mobula_document_steps_total",
    "Readings and indexings of documents that ended, by outcome.",
    source="ingress",
    labels=("step", "outcome"),
    labels_from="read, index; finished, cancelled, refused, failed",
)
PAGES = counter(
    "mobula_document_pages_total",
    "Pages of documents that were read.",
    source="ingress",
)
CHUNKS = counter(
    "mobula_document_chunks_total",
    "Chunks of documents that were indexed.",
    source="ingress",
)
STEP_DURATION = histogram(
    "mobula_document_step_duration_seconds",
    "Seconds that the reading, or the indexing, of one document took.",
    source="ingress",
    labels=("step",),
    buckets=(*LATENCY_S, 120.0, 300.0, 600.0, 1_800.0),
    labels_from="read, index",
)
ANSWERS = counter(
    "mobula_document_answers_total",
    "Questions about documents that were answered, by what answered them.",
    source="ingress",
    labels=("answer",),
    labels_from="extractive, model, fallback, not_found",
)
MARKS = counter(
    "mobula_document_marks_total",
    "Marks in models' answers, by whether a quote was found for them.",
    source="ingress",
    labels=("outcome",),
    labels_from="cited, removed",
)
