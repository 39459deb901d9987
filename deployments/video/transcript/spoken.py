"""Recognised speech as a transcript: segments in, words out; and segments as JSON and back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deployments.contracts.media import Transcript
from deployments.contracts.speech import SpeechSegment, SpeechWord
from deployments.video.transcript.cues import TimedLine, TranscriptCue
from deployments.video.transcript.timing import words_in

NOTHING_SAID = "nothing is said in the recording"


def spoken_transcript(
    segments: Sequence[SpeechSegment], language: str | None, why: str = NOTHING_SAID
) -> Transcript:
    """The words of `segments`; `why` is the reason if there are none. What Whisper writes in
    brackets, such as [MUSIC], is no word."""
    words = words_in([_cue(segment) for segment in segments])
    if not words:
        return Transcript((), "none", language, why)
    return Transcript(words, "speech", language)


def _cue(segment: SpeechSegment) -> TranscriptCue:
    words = tuple(TimedLine(word.text, word.start, word.end) for word in segment.words)
    return TranscriptCue(segment.start, segment.end, segment.text, words)


def segments_to_json(segments: Iterable[SpeechSegment]) -> list[dict[str, Any]]:
    """Text and times alone."""
    return [
        {
            "start": round(segment.start, 3),
            "end": round(segment.end, 3),
            "text": segment.text,
            "words": [
                [word.text, round(word.start, 3), round(word.end, 3)] for word in segment.words
            ],
        }
        for segment in segments
    ]


def segments_from_json(data: Iterable[Mapping[str, Any]]) -> list[SpeechSegment]:
    """Raises KeyError, TypeError or ValueError for data that `segments_to_json` did not write."""
    return [
        SpeechSegment(
            each["start"],
            each["end"],
            each["text"],
            tuple(SpeechWord(text, start, end, 1.0) for text, start, end in each["words"]),
        )
        for each in data
    ]
