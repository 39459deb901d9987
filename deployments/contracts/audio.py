"""Recordings of callers as they cross stages: paths of tenants' files in, what is heard out.

These values are pickled, or sent over links as msgpack, between processes. They know nothing of
HTTP, of media libraries and of Ray.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.runtime.pickle_compat import version_tolerant
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.media import MediaLimits, Seconds
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechSegment,
)

MEDIA = "media"  # the name of the deployment's calls in limits and logs
SPEECH = "speech"  # the name of transcription in limits, usage and prices
AUDIO_JOB = "audio"  # the kind of jobs that analyse recordings
JOB_LIMITS = MediaLimits(max_duration_s=12 * 3600.0)


@version_tolerant
@dataclass(frozen=True, slots=True)
class ExamineRequest:
    """What is in the file at `path` of the caller's tenant? `timeout_s` is the rest of the
    caller's deadline at the time of sending. `trace` is the call's span, `trace_state` as in
    GenerateRequest."""

    request_id: str
    caller: Caller
    path: str
    limits: MediaLimits = MediaLimits()
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return MEDIA


@version_tolerant
@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """`info` is a MediaInfo as JSON (deployments/video/probe/media_info_json.py), `sha256` and
    `bytes` are those of the file."""

    sha256: str
    bytes: int
    info: Mapping[str, Any] = field(default_factory=dict)


@version_tolerant
@dataclass(frozen=True, slots=True)
class TranscribeRequest:
    """What is said in the file at `path`, of which `info` is the examination; the rest is as in
    ExamineRequest."""

    request_id: str
    caller: Caller
    path: str
    info: Mapping[str, Any]
    options: SpeechOptions = SpeechOptions()
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return SPEECH


@version_tolerant
@dataclass(frozen=True, slots=True)
class TranscriptPart:
    """One of these: the language, a segment, or how much is done."""

    language: DetectedLanguage | None = None
    segment: SpeechSegment | None = None
    progress: SpeechProgress | None = None


@version_tolerant
@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """How the sound of the file at `path` is; the fields are as in TranscribeRequest."""

    request_id: str
    caller: Caller
    path: str
    info: Mapping[str, Any]
    timeout_s: float = 60.0
    priority: Priority = Priority.STANDARD
    trace: str = ""
    trace_state: str = ""

    @property
    def model(self) -> str:
        """What log lines and problems name."""
        return MEDIA


@version_tolerant
@dataclass(frozen=True, slots=True)
class TimeSpan:
    """From `start` to `end`, seconds of the recording."""

    start: Seconds
    end: Seconds


@version_tolerant
@dataclass(frozen=True, slots=True)
class SoundMeasures:
    """`loudness` in LUFS and `loudness_range` in LU are by EBU R128 (None: nothing is loud enough
    to count), `true_peak` in dBTP (None: digital silence). `silences` last half a second at least;
    of more than there may be, these are the longest. `speech_share` is the share of the duration in
    which speech is likely, 0 to 1."""

    duration: Seconds
    loudness: float | None = None
    loudness_range: float | None = None
    true_peak: float | None = None
    silences: tuple[TimeSpan, ...] = ()
    speech_share: float = 0.0


def audio_folder(job: str) -> str:
    """Where the files of an audio job are stored."""
    return f"audio/{job}"


class MediaReader(Protocol):
    """Opens files of tenants: in this process, or by the deployment `Media`."""

    async def examine(self, request: ExamineRequest) -> ExaminedFile:
        """Raises NotFound for a file that does not exist, and the refusals of files that are no
        recordings, damaged or over a limit (deployments/sandbox/errors.py)."""
        ...

    async def measure(self, request: MeasureRequest) -> SoundMeasures:
        """Raises NoMedia for a recording without sound, and as `examine` does."""
        ...

    def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscriptPart, None]:
        """Raises NotInstalled where no speech model is, NoMedia for a recording without sound, and
        as `examine` does. Closing it ends the work."""
        ...
