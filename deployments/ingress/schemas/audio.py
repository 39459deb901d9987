"""What callers send and get about recordings: OpenAI's transcription API, and analyses.

Seconds are those of the recording.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.runtime.numbers import FLOAT32
from deployments.contracts.speech import SpeechOptions
from deployments.ingress.schemas.admin import Label, Strict, example
from deployments.ingress.schemas.batches import FileId
from deployments.ingress.schemas.lenient import HintedBody
from deployments.ingress.schemas.records import Url

MAX_PROMPT = 4_000  # characters; the recognizer takes its last 224 tokens

Language = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{2,3}$",
        description="ISO 639-1, as `en`. Left out: it is found.",
    ),
]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT)]
Temperature = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), FLOAT32]
VideoName = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{4,63}$")]
ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity = Literal["word", "segment"]
Part = Literal["measures", "transcript"]
Task = Literal["transcribe", "translate"]


class TranslationRequest(HintedBody):
    """Fields of `POST /v1/audio/translations`, beside the form's `file`. By handle `video`
    or `file_id` names the recording. The answer is English text."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"example": {"video": "vid_1"}}
    )

    model: Annotated[str, Field(max_length=100)] = ""
    video: VideoName | None = None
    file_id: FileId | None = None
    prompt: Prompt = ""
    response_format: ResponseFormat = "json"
    temperature: Temperature = 0.0
    user: Annotated[str, Field(max_length=512)] | None = None


class TranscriptionRequest(TranslationRequest):
    """Fields of `POST /v1/audio/transcriptions`, beside the form's `file`. By handle `video`
    or `file_id` names the recording. Times of words are answered as `verbose_json` alone."""

    hints: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "chunking_strategy": (None, "auto"),
        "include": (None, []),
        "keywords": (None, []),
        "languages": (None, []),
    }

    language: Language | None = None
    timestamp_granularities: Annotated[list[Granularity], Field(max_length=2)] | None = None
    stream: bool | None = None
    chunking_strategy: Any = None
    include: Annotated[list[str], Field(max_length=8)] | None = None
    keywords: Annotated[list[str], Field(max_length=100)] | None = None
    languages: Annotated[list[str], Field(max_length=100)] | None = None

    @property
    def wants_words(self) -> bool:
        return "word" in (self.timestamp_granularities or ())


class AudioAnalysisRequest(Strict):
    """Body of `POST /api/v1/audio`: a video or a file (`/v1/files`) of the tenant, or the URL of a
    recording. In a form the same fields stand beside `file`. `parts` says what to find out:
    `measures` are loudness, true peak, silences and the share of speech."""

    model_config = example(video="vid_0123456789abcdef01234567", language="en")

    video: VideoName | None = None
    file_id: FileId | None = None
    url: Url | None = None
    name: Label | None = None
    parts: Annotated[list[Part], Field(min_length=1, max_length=2)] = ["measures", "transcript"]
    task: Task = "transcribe"
    language: Language | None = None
    prompt: Prompt = ""
    temperature: Temperature = 0.0

    @model_validator(mode="after")
    def _names_one_source(self) -> "AudioAnalysisRequest":
        if sum(each is not None for each in (self.video, self.file_id, self.url)) > 1:
            raise ValueError("give one of `video`, `file_id` and `url`")
        return self

    def options(self) -> SpeechOptions:
        return SpeechOptions(
            task=self.task,
            language=self.language,
            prompt=self.prompt,
            temperature=self.temperature,
        )


class AudioQuery(Strict):
    """Which audio job. With `format` the answer is its transcript alone."""

    model_config = example(job="job_0123456789abcdef")

    job: Annotated[str, Field(max_length=64)]
    format: ResponseFormat | None = None


class UsageSeconds(BaseModel):
    """Whole seconds of the recording that are charged."""

    type: Literal["duration"]
    seconds: int


class TranscribedWord(BaseModel):
    word: str
    start: float
    end: float


class TranscribedSegment(BaseModel):
    """One phrase."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class TranscriptionResponse(BaseModel):
    """`json`: `text` and `usage`. `verbose_json` has the rest too; `language` is its English name
    there, as OpenAI has it; empty: nobody speaks."""

    text: str
    usage: UsageSeconds
    task: str | None = None
    language: str | None = None
    duration: float | None = None
    segments: list[TranscribedSegment] | None = None
    words: list[TranscribedWord] | None = None


class AudioTrackSummary(BaseModel):
    """The audio track in use; `number` from 1."""

    number: int
    codec: str
    channels: int
    sample_rate: int
    language: str | None


class RecordingResponse(BaseModel):
    container: str
    duration: float
    bytes: int
    has_picture: bool
    audio_tracks: int
    track: AudioTrackSummary | None


class LoudnessResponse(BaseModel):
    """By EBU R128. Null: nothing is loud enough to count."""

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None


class SilenceResponse(BaseModel):
    start: float
    end: float


class AnalyzedWord(TranscribedWord):
    probability: float


class AnalyzedSegment(TranscribedSegment):
    words: list[AnalyzedWord]


class TranscriptDocument(BaseModel):
    """`language` is ISO 639-1; null: nobody speaks."""

    task: str
    language: str | None
    language_probability: float | None
    duration: float
    text: str
    segments: list[AnalyzedSegment]


class AudioAnalysisResponse(BaseModel):
    """What is known of a recording. Parts that were not asked for are null. `silences` last half a
    second at least; `speech_share` is the share of the duration in which speech is likely."""

    object: Literal["audio.analysis"]
    id: str
    name: str
    sha256: str
    recording: RecordingResponse
    loudness: LoudnessResponse | None = None
    silences: list[SilenceResponse] | None = None
    speech_share: float | None = None
    transcript: TranscriptDocument | None = None
    usage: UsageSeconds
