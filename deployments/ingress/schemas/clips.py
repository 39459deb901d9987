"""What callers send for clips, and what they get."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.runtime.numbers import FLOAT32
from deployments.contracts.clips import AspectName, ClipOptions, Quality
from deployments.contracts.jobs import PartState

MAX_CLIPS = 30
Second = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), FLOAT32]
Word = Annotated[str, Field(min_length=1, max_length=60)]


class ClipRequest(BaseModel):
    """Body of `POST /api/v1/videos/{video}/clips`: every field has a default."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "count": 5,
                "min_s": 20,
                "max_s": 45,
                "aspects": ["9:16", "1:1"],
                "captions": "karaoke",
                "keywords": ["launch"],
            }
        },
    )

    count: Annotated[int, Field(ge=1, le=MAX_CLIPS, description="Clips at most.")] = 5
    min_s: Annotated[
        float, Field(ge=1, le=600, description="Seconds of the shortest."), FLOAT32
    ] = 15.0
    max_s: Annotated[float, Field(ge=1, le=600, description="Seconds of the longest."), FLOAT32] = (
        60.0
    )
    start: Annotated[Second, Field(description="Only from this second on.")] = 0.0
    end: Annotated[Second | None, Field(description="Only up to this second.")] = None
    aspects: Annotated[tuple[AspectName, ...], Field(min_length=1, max_length=4)] = ("9:16",)
    quality: Annotated[Quality, Field(description="A shorter side of 540, 720 or 1080.")] = (
        "standard"
    )
    captions: Annotated[Word, Field(description="A style's name, or none.")] = "karaoke"
    framing: Literal["auto", "follow", "fit"] = "auto"
    keywords: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    audio_track: Annotated[
        int | None,
        Field(ge=1, le=32, description="Which of the video's audio tracks, from 1; else by rule."),
    ] = None
    loudness: Annotated[float, Field(ge=-30, le=-9, description="LUFS."), FLOAT32] = -14.0
    texts: Annotated[bool, Field(description="A title, a description and hashtags each.")] = True
    rerank: Annotated[bool, Field(description="Let the text model put them in order.")] = False
    ssim: Annotated[bool, Field(description="Compare each with a plain render.")] = False
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    keep_labels: Annotated[
        bool, Field(description="Burn in sound labels ([MUSIC]) and speakers' names, too.")
    ] = False

    @model_validator(mode="after")
    def _make_sense(self) -> Self:
        if self.min_s > self.max_s:
            raise ValueError(f"min_s: {self.min_s:g} is more than max_s, {self.max_s:g}")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"end: {self.end:g} is not after start, {self.start:g}")
        if len(set(self.aspects)) < len(self.aspects):
            raise ValueError("aspects: names one twice")
        return self

    def options(self) -> ClipOptions:
        return ClipOptions(**self.model_dump(include=set(ClipOptions.__slots__)))


class ClipJobCreate(ClipRequest):
    """The same by handle: it names the video."""

    video: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{4,63}$")]


class JobQueryBody(BaseModel):
    """A job by handle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{4,63}$")]


class ClipFile(BaseModel):
    """One file of a clip. `url` needs no key and is good for an hour; ask again for a new one.

    `report` is what was measured on a finished video; its `problems` are empty for a good one.
    """

    kind: Literal["video", "thumbnail", "srt", "vtt"]
    url: str
    media_type: str
    bytes: int
    sha256: str
    aspect: AspectName | None = None
    width: int | None = None
    height: int | None = None
    report: dict[str, Any] | None = None


class ClipResponse(BaseModel):
    """One clip. `start` and `end` are seconds of the video; `scores` and `evidence` say why it was
    chosen, `text` has words to publish it with and who wrote them. `note` says where it is not what
    was asked for. `instead_of` is the stretch that could not be made, and why: this one, the next
    best, took its place."""

    number: int
    state: PartState
    start: float
    end: float
    duration: float
    score: float
    scores: dict[str, float]
    evidence: list[dict[str, Any]]
    excerpt: str
    note: str = ""
    instead_of: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    captions: dict[str, Any] | None = None
    partial: bool = False
    files: list[ClipFile] = []
    problem: dict[str, Any] | None = None


class ClipsResponse(BaseModel):
    """The clips of a job, the best first; each is of use as soon as it is ready."""

    job: str
    video: str
    state: str
    data: list[ClipResponse]


class CapabilityResponse(BaseModel):
    available: bool
    detail: str
    facts: dict[str, str]


class CapabilitiesResponse(BaseModel):
    """What this installation can and cannot do with recordings, and why."""

    abilities: dict[str, CapabilityResponse]
    aspects: list[AspectName]
    qualities: list[Quality]
    caption_styles: list[str]
    limits: dict[str, float]
