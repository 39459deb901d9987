"""What the deployment that opens recordings and pictures does."""

from cluster.metrics.metric import LATENCY_S, counter, gauge, histogram

EXAMINED = counter(
    "mobula_media_examined_files_total",
    "Files that were examined, by outcome.",
    source="media",
    labels=("outcome",),
    labels_from="accepted, refused, failed",
)
IMAGES = counter(
    "mobula_media_images_total",
    "Pictures of requests, by outcome.",
    source="media",
    labels=("outcome",),
    labels_from="read, refused, failed",
)
TRANSCRIPTIONS = counter(
    "mobula_transcriptions_total",
    "Transcriptions that ended, by outcome: of requests that wait, and attempts of jobs.",
    source="media",
    labels=("outcome",),
    labels_from="finished, cancelled, refused, failed",
)
TRANSCRIBED = counter(
    "mobula_transcribed_seconds_total",
    "Seconds of recordings whose speech was recognised.",
    source="media",
)
OPEN_TRANSCRIPTIONS = gauge(
    "mobula_open_transcriptions",
    "Transcriptions that run, or wait for the recognizer.",
    source="media",
)
TRANSCRIPTION_DURATION = histogram(
    "mobula_transcription_duration_seconds",
    "Seconds from the begin of a transcription to its end.",
    source="media",
    buckets=(*LATENCY_S, 120.0, 300.0, 600.0, 1_800.0),
)
