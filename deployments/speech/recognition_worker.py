"""Sandboxed child: holds a Whisper model, and recognises one window of speech a request.

A request is a block of samples (16 kHz mono, signed 16 bit, little endian); the answer has the
segments of its first window, and how much of the block is done. The child knows no files but the
model's, and keeps nothing between two requests.
"""

import sys
import traceback
from typing import Any

import msgspec
import numpy as np
from ctranslate2 import get_cuda_device_count, set_random_seed
from faster_whisper import WhisperModel  # noqa: TID253 - runs in a sandboxed child only
from faster_whisper.vad import VadOptions, get_speech_timestamps  # noqa: TID253
from numpy.typing import NDArray

from deployments.sandbox.resident import answer_requests
from deployments.speech.windows import LONGEST_SPAN_S, RATE, SpeechWindow, next_window

REMAINDER_S = 1.0  # less after the last segment of a window is not heard again
TEMPERATURE_STEP = 0.4
BEAM_SIZE = 1  # greedy (decision 117)
SAMPLES = 2  # of a window that is heard again at a higher temperature; the likeliest is taken
EDGE_S = 0.01
_VAD = VadOptions(
    min_speech_duration_ms=250,
    max_speech_duration_s=LONGEST_SPAN_S,
    min_silence_duration_ms=500,
    speech_pad_ms=300,
)
_HIGHEST = 1.0

Samples = NDArray[np.float32]


class _WindowDone(Exception):
    """The first pass over a window is done."""


class OnePassModel(WhisperModel):
    """A model that hears a window once, also where it finds the language first: what it leaves is
    a part of the next window, which costs no pass of its own."""

    _encoded: Any = None
    _uses = 0

    def begin(self, *, finds_language: bool) -> None:
        """Call it before each window."""
        self._encoded, self._uses = None, 1 + finds_language

    def encode(self, features: Any) -> Any:
        if self._uses == 0:
            raise _WindowDone
        self._uses -= 1
        if self._encoded is None:
            self._encoded = super().encode(features)
        return self._encoded


class WindowRecognizer:
    """Answers requests: `task`, `language` (None: found), `prompt`, `temperature`, `words`, `last`
    (nothing follows the block), and `least` (a language found with less probability is answered
    alone, with `unsure`)."""

    def __init__(self, model: OnePassModel) -> None:
        self._model = model

    def answer(self, request: dict[str, Any], data: bytes) -> dict[str, Any]:
        samples = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
        window = next_window(_speech(samples), samples.size, last=request["last"])
        if not window.spans:
            return {"consumed": window.consumed, "segments": []}
        heard = np.concatenate([samples[start:end] for start, end in window.spans])
        finds_language = request["language"] is None and self._model.model.is_multilingual
        self._model.begin(finds_language=finds_language)
        set_random_seed(0)
        segments, info = self._model.transcribe(
            heard,
            task=request["task"],
            language=request["language"],
            initial_prompt=request["prompt"] or None,
            temperature=_temperatures(request["temperature"]),
            beam_size=BEAM_SIZE,
            best_of=SAMPLES,
            word_timestamps=request["words"],
            condition_on_previous_text=False,
            vad_filter=False,
        )
        found = {"language": info.language, "probability": float(info.language_probability)}
        if request["language"] is None and info.language_probability < request["least"]:
            return {**found, "unsure": True, "consumed": window.consumed, "segments": []}
        return {**found, **self._recognised(segments, window)}

    def _recognised(self, segments: Any, window: SpeechWindow) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        consumed, end_s = window.consumed, 0.0
        try:
            for segment in segments:
                found.append(_on_block(segment, window))
                end_s = segment.words[-1].end if segment.words else segment.end
        except _WindowDone:
            if REMAINDER_S < end_s < window.samples / RATE - REMAINDER_S:
                consumed = round(window.source_s(end_s, end_s) * RATE)
        return {"consumed": consumed, "segments": found}


def _speech(samples: Samples) -> list[tuple[int, int]]:
    return [(each["start"], each["end"]) for each in get_speech_timestamps(samples, _VAD)]


def _temperatures(first: float) -> list[float]:
    """Where sampling begins, and what is tried while the result is implausible."""
    steps = [first + TEMPERATURE_STEP * step for step in range(3)]
    return [round(each, 2) for each in steps if each <= _HIGHEST] or [first]


def _on_block(segment: Any, window: SpeechWindow) -> dict[str, Any]:
    """The segment with times of the block, in seconds."""

    def times(start: float, end: float) -> tuple[float, float]:
        middle = (start + end) / 2
        return window.source_s(start, middle), window.source_s(end, middle)

    words = [
        (word.word, *times(word.start, word.end), float(word.probability))
        for word in segment.words or ()
    ]
    first = window.source_s(segment.start, segment.start + EDGE_S)
    last = window.source_s(segment.end, segment.end - EDGE_S)
    return {
        "start": words[0][1] if words else first,
        "end": words[-1][2] if words else max(first, last),
        "text": segment.text,
        "words": words,
        "no_speech_probability": float(segment.no_speech_prob),
        "average_log_probability": float(segment.avg_logprob),
        "compression_ratio": float(segment.compression_ratio),
        "temperature": float(segment.temperature or 0.0),
        "tokens": list(segment.tokens),
    }


def load_model(folder: str, threads: int, *, gpu: bool) -> OnePassModel:
    """On the GPU, if it may be used and works; else on the CPU."""
    options = {"cpu_threads": threads, "local_files_only": True}
    if gpu and get_cuda_device_count() > 0:
        try:
            model = OnePassModel(folder, device="cuda", compute_type="float16", **options)
            model.begin(finds_language=False)
            model.detect_language(np.zeros(RATE, np.float32))
        except RuntimeError:  # a library of CUDA is missing
            traceback.print_exc()
        else:
            return model
    return OnePassModel(folder, device="cpu", compute_type="int8", **options)


def main() -> None:
    setup = msgspec.json.decode(sys.argv[1])
    model = load_model(setup["folder"], setup["threads"], gpu=setup["gpu"])
    _speech(np.zeros(RATE, np.float32))  # loads the model of voice activity
    answer_requests(WindowRecognizer(model).answer, {"device": model.model.device})


if __name__ == "__main__":
    main()
