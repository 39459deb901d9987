"""Transcripts: sidecar files, embedded subtitles or a speech model in, words out.

Words are in order and do not overlap. All input is untrusted.
"""

from deployments.sandbox.errors import TranscriptRefused
from deployments.video.transcript.embedded import embedded_transcript
from deployments.video.transcript.parsing import MAX_BYTES, Kind, parse_transcript
from deployments.video.transcript.reading import ReadsTranscripts, read_transcript
from deployments.video.transcript.spoken import spoken_transcript

__all__ = [
    "MAX_BYTES",
    "Kind",
    "ReadsTranscripts",
    "TranscriptRefused",
    "embedded_transcript",
    "parse_transcript",
    "read_transcript",
    "spoken_transcript",
]
