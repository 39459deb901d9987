"""Sandboxed child: recognises speech. A request in, a JSON transcript out."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only
import msgspec
import numpy as np
from numpy.typing import NDArray

from deployments.sandbox.child import run_child
from deployments.sandbox.inputs import open_media
from deployments.video.analysis.audio_features import RATE
from deployments.decoding.audio_timeline import TimelineAudio


def transcribe(request: dict[str, Any]) -> dict[str, Any]:
    from faster_whisper import WhisperModel

    samples, start = _decode_track(request["name"], request["stream"], request["duration"])
    model = WhisperModel(
        request["model"],
        device=request["device"],
        compute_type="int8" if request["device"] == "cpu" else "float16",
        cpu_threads=request["threads"],
        local_files_only=True,
    )
    segments, info = model.transcribe(
        samples,
        language=request["language"],
        word_timestamps=True,
        vad_filter=True,
        condition_on_previous_text=False,
    )
    transcript = {
        "language": info.language,
        "segments": list(_segments_on_timeline(segments, start, request["duration"])),
    }
    Path(request["out"]).write_bytes(msgspec.json.encode(transcript))
    return {"segments": len(transcript["segments"])}


def _decode_track(name: str, stream: int, duration: float) -> tuple[NDArray[np.float32], float]:
    """The track as 16 kHz mono, and the second of the source at which it starts."""
    blocks: list[NDArray[np.float32]] = []
    with open_media(name) as container:
        audio = TimelineAudio(container, container.streams[stream], duration)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for block in audio.blocks():
            mono = block.mean(axis=0)[None]
            frame = av.AudioFrame.from_ndarray(mono, format="flt", layout="mono")
            frame.sample_rate = audio.rate
            blocks += [part.to_ndarray()[0] for part in resampler.resample(frame)]
        if blocks:
            blocks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(blocks or [np.zeros(0, np.float32)]), audio.start


def _segments_on_timeline(
    segments: Iterable[Any], start: float, duration: float
) -> Iterator[dict[str, Any]]:
    """Segments in a form that our parser reads, on the source's timeline; prints the progress."""
    for segment in segments:
        print(f"{min(1.0, segment.end / max(duration, 0.01)):.3f}", flush=True)  # noqa: T201
        yield {
            "start": start + float(segment.start),
            "end": start + float(segment.end),
            "text": segment.text,
            "words": [
                {
                    "word": word.word,
                    "start": start + float(word.start),
                    "end": start + float(word.end),
                }
                for word in segment.words or ()
            ],
        }


if __name__ == "__main__":
    run_child(transcribe)
