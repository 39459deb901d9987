"""What is known of a recording, as JSON: its tracks, the measures of its sound, its transcript.

Flows in: values of contracts. Flows out: plain values, which are answered, stored with an audio
job, and read back. Seconds are rounded to milliseconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.contracts.audio import SoundMeasures
from deployments.contracts.media import AudioTrack, MediaInfo
from deployments.contracts.speech import DetectedLanguage, SpeechSegment, SpeechWord

Document = dict[str, Any]


def recording_document(info: MediaInfo, track: AudioTrack | None) -> Document:
    """`track` is the audio track in use."""
    return {
        "container": info.container,
        "duration": _seconds(info.duration),
        "bytes": info.bytes,
        "has_picture": info.video is not None,
        "audio_tracks": len(info.audio),
        "track": None if track is None else _track(info, track),
    }


def measures_document(measures: SoundMeasures) -> Document:
    return {
        "loudness": {
            "integrated_lufs": measures.loudness,
            "range_lu": measures.loudness_range,
            "true_peak_dbtp": measures.true_peak,
        },
        "silences": [
            {"start": _seconds(span.start), "end": _seconds(span.end)} for span in measures.silences
        ],
        "speech_share": measures.speech_share,
    }


def transcript_document(
    task: str,
    language: DetectedLanguage | None,
    segments: Sequence[SpeechSegment],
    duration: float,
) -> Document:
    return {
        "task": task,
        "language": None if language is None else language.language,
        "language_probability": None if language is None else round(language.probability, 4),
        "duration": _seconds(duration),
        "text": joined_text(segments),
        "segments": [segment_document(number, each) for number, each in enumerate(segments)],
    }


def segment_document(number: int, segment: SpeechSegment) -> Document:
    """As OpenAI's verbose_json has it, with the words of each segment."""
    return {
        "id": number,
        "seek": round(segment.start * 100),
        "start": _seconds(segment.start),
        "end": _seconds(segment.end),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": round(segment.temperature, 3),
        "avg_logprob": round(segment.average_log_probability, 4),
        "compression_ratio": round(segment.compression_ratio, 4),
        "no_speech_prob": round(segment.no_speech_probability, 4),
        "words": [
            {
                "word": word.text.strip(),
                "start": _seconds(word.start),
                "end": _seconds(word.end),
                "probability": round(word.probability, 4),
            }
            for word in segment.words
        ],
    }


def joined_text(segments: Sequence[SpeechSegment]) -> str:
    """Segments begin with a blank where their language separates words by blanks."""
    return "".join(segment.text for segment in segments).strip()


def segment_to_json(segment: SpeechSegment) -> list[Any]:
    """For checkpoints."""
    words = [[word.text, word.start, word.end, word.probability] for word in segment.words]
    return [
        segment.start,
        segment.end,
        segment.text,
        words,
        segment.no_speech_probability,
        segment.average_log_probability,
        segment.compression_ratio,
        segment.temperature,
        list(segment.tokens),
    ]


def segment_from_json(data: Sequence[Any]) -> SpeechSegment:
    start, end, text, words, no_speech, log_probability, ratio, temperature, tokens = data
    return SpeechSegment(
        start,
        end,
        text,
        tuple(SpeechWord(*word) for word in words),
        no_speech,
        log_probability,
        ratio,
        temperature,
        tuple(tokens),
    )


def _track(info: MediaInfo, track: AudioTrack) -> Document:
    return {
        "number": [each.index for each in info.audio].index(track.index) + 1,
        "codec": track.codec,
        "channels": track.channels,
        "sample_rate": track.sample_rate,
        "language": track.language,
    }


def _seconds(value: float) -> float:
    return round(value, 3)


def segments_of(transcript: Mapping[str, Any]) -> list[SpeechSegment]:
    """Of a stored transcript."""
    return [_segment(each) for each in transcript["segments"]]


def language_of(transcript: Mapping[str, Any]) -> DetectedLanguage | None:
    code = transcript["language"]
    return None if code is None else DetectedLanguage(code, transcript["language_probability"])


def _segment(data: Mapping[str, Any]) -> SpeechSegment:
    words = [
        (each["word"], each["start"], each["end"], each["probability"]) for each in data["words"]
    ]
    return SpeechSegment(
        data["start"],
        data["end"],
        data["text"],
        tuple(SpeechWord(*word) for word in words),
        data["no_speech_prob"],
        data["avg_logprob"],
        data["compression_ratio"],
        data["temperature"],
        tuple(data["tokens"]),
    )
