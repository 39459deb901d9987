"""A recogniser of windows for tests: a script instead of a model, and a clock that tests move."""

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec

from cluster.runtime.clock import ManualClock
from deployments.sandbox import Cancel
from deployments.speech.decoding import DecodedSound
from deployments.speech.engine import SpeechEngine
from deployments.speech.models import SpeechModel
from deployments.speech.recognition_child import RecognitionChild, WindowAnswer

Answer = Callable[[dict[str, Any], int], dict[str, Any]]
RATE = 16_000


def phrase(text: str, start: float, end: float, **changes: Any) -> dict[str, Any]:
    """A segment as a child answers it, with one word."""
    return {
        "start": start, "end": end, "text": f" {text}", "words": [[f" {text}", start, end, 0.9]],
        "no_speech_probability": 0.01, "average_log_probability": -0.2, "compression_ratio": 1.1,
        "temperature": 0.0, "tokens": [1, 2], **changes,
    }  # fmt: skip


def answered(seconds: float, *segments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"consumed": round(seconds * RATE), "segments": list(segments), **more}


class ScriptedChild:
    """Answers by `script`, which gets the request and the number of samples. Raises what it
    raises. `heard` are the requests."""

    def __init__(self, script: Answer, clock: ManualClock) -> None:
        self.script, self._clock = script, clock
        self.heard: list[dict[str, Any]] = []
        self.pid: int | None = None
        self._used = clock.monotonic()

    def recognise(
        self, model: SpeechModel, request: dict[str, Any], samples: bytes
    ) -> WindowAnswer:
        self.pid = 1
        self.heard.append(request)
        self._used = self._clock.monotonic()
        return msgspec.convert(self.script(request, len(samples) // 2), WindowAnswer)

    def idle_s(self) -> float:
        return self._clock.monotonic() - self._used

    def end(self) -> None:
        self.pid = None

    def interrupt(self) -> None: ...


def engine_with(
    script: Answer, folder: Path, clock: ManualClock | None = None
) -> tuple[SpeechEngine, ScriptedChild]:
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "model.bin").write_bytes(b"")
    clock = clock or ManualClock()
    child = ScriptedChild(script, clock)
    engine = SpeechEngine(
        str(folder / "model"), folder, clock=clock, child=cast(RecognitionChild, child)
    )
    return engine, child


def silent_recording(folder: Path, seconds: float) -> Path:
    """A WAV of silence."""
    path = folder / "recording.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(2 * round(seconds * RATE)))
    return path


def read_wave(
    source: Path, stream: int | None, start: float, end: float, folder: Path, cancel: Cancel
) -> DecodedSound:
    """`decode_sound` for `silent_recording`, without a child."""
    with wave.open(str(source), "rb") as file:
        file.setpos(round(start * RATE))
        data = file.readframes(round((end - start) * RATE))
    out = folder / "samples"
    out.write_bytes(data)
    return DecodedSound(out, start, len(data) // 2)
