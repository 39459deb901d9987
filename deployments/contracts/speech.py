"""Recognised speech as it crosses stages: a recording in, segments of text with times out.

All times are seconds of the source, from 0 on its own timeline. Text and times are those of the
recogniser; whoever shows them strips blanks.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cluster.runtime.pickle_compat import version_tolerant
from deployments.contracts.media import Seconds

SpeechTask = Literal["transcribe", "translate"]


@version_tolerant
@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """`task` translate answers English text. `language` is an ISO 639-1 code (None: the recogniser
    finds it). `prompt` is text in whose spelling and style the recording continues (at most 224
    tokens of it count, the last ones). `temperature` is where sampling begins, 0 to 1: it rises
    while a result is implausible. `words` requests the times of words. Only what is said from
    `start` to `end` (None: the source's end) is heard: work that was interrupted goes on at the
    last `SpeechProgress.done_s`."""

    task: SpeechTask = "transcribe"
    language: str | None = None
    prompt: str = ""
    temperature: float = 0.0
    words: bool = True
    start: Seconds = 0.0
    end: Seconds | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class SpeechWord:
    """`text` may begin with a blank. `probability` is the recogniser's, 0 to 1."""

    text: str
    start: Seconds
    end: Seconds
    probability: float


@version_tolerant
@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """A phrase. Segments come in order and do not overlap; `words` are empty unless requested, in
    order, and none ends after the next one's start.

    `average_log_probability` is of its tokens (natural logarithm), `compression_ratio` of its text
    (above 2.4: it repeats itself), `temperature` is the one it was sampled at, `tokens` are those
    of the model's vocabulary.
    """

    start: Seconds
    end: Seconds
    text: str
    words: tuple[SpeechWord, ...] = ()
    no_speech_probability: float = 0.0
    average_log_probability: float = 0.0
    compression_ratio: float = 0.0
    temperature: float = 0.0
    tokens: tuple[int, ...] = ()


@version_tolerant
@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """An ISO 639-1 code, and its probability (1 for a requested language). It comes once, before
    the first segment; not at all for a recording without speech, unless it was requested."""

    language: str
    probability: float


@version_tolerant
@dataclass(frozen=True, slots=True)
class SpeechProgress:
    """Seconds of the source that are done, of `total_s`: everything that was said before `done_s`
    has come. After the last one, `done_s` equals `total_s`."""

    done_s: Seconds
    total_s: Seconds


class SpeechRecognizer(Protocol):
    """Turns the speech of a recording into text."""

    def transcribe(
        self, source: Path, stream: int | None, options: SpeechOptions, duration_s: Seconds
    ) -> "AsyncGenerator[DetectedLanguage | SpeechSegment | SpeechProgress, None]":
        """The speech of a file's audio stream (its number in the file; None: the first one), as
        it is recognised. `duration_s` is the header's: sound after it is not heard.

        Closing the generator, or cancelling its task, cancels the work. Raises Problems:
        NotInstalled (no model, with what to install), InvalidRequest (the language), NoMedia, the
        refusals of damaged and too large recordings (deployments/sandbox/errors.py), SandboxFailed.
        """
        ...
