"""The child that turns speech into words: a request in, a JSON transcript out, in the sandbox."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only
import msgspec
import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.audio_features import RATE
from deployments.video.analysis.audio_timeline import TimelineAudio
from deployments.video.sandbox.child import run_child
from deployments.video.sandbox.inputs import open_media


def transcribe(request: dict[str, Any]) -> dict[str, Any]:
    from faster_whisper import WhisperModel

    sound, start = _sound(request["name"], request["stream"], request["duration"])
    model = WhisperModel(
        request["model"],
        device=request["device"],
        compute_type="int8" if request["device"] == "cpu" else "float16",
        cpu_threads=request["threads"],
        local_files_only=True,
    )
    segments, info = model.transcribe(
        sound,
        language=request["language"],
        word_timestamps=True,
        vad_filter=True,
        condition_on_previous_text=False,
    )
    said = {
        "language": info.language,
        "segments": list(_told(segments, start, request["duration"])),
    }
    Path(request["out"]).write_bytes(msgspec.json.encode(said))
    return {"segments": len(said["segments"])}


def _sound(name: str, stream: int, duration: float) -> tuple[NDArray[np.float32], float]:
    """The track as 16 kHz mono, and the second of the source at which it starts."""
    heard: list[NDArray[np.float32]] = []
    with open_media(name) as container:
        placed = TimelineAudio(container, container.streams[stream], duration)
        even = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        for block in placed.blocks():
            mono = block.mean(axis=0)[None]
            frame = av.AudioFrame.from_ndarray(mono, format="flt", layout="mono")
            frame.sample_rate = placed.rate
            heard += [part.to_ndarray()[0] for part in even.resample(frame)]
        if heard:
            heard += [part.to_ndarray()[0] for part in even.resample(None)]
    return np.concatenate(heard or [np.zeros(0, np.float32)]), placed.start


def _told(segments: Iterable[Any], start: float, duration: float) -> Iterator[dict[str, Any]]:
    """Segments in the form that our parser reads, on the source's timeline; the share that is done
    is printed on the way."""
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
