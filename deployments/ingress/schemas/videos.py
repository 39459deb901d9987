"""What callers send and get about uploads and videos. Instants are Unix seconds."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from deployments.ingress.schemas.admin import Label, PageQuery, PageResponse, Strict, example
from deployments.ingress.schemas.records import Url
from deployments.video.catalog import Video
from deployments.video.uploads.upload import Upload

State = Literal["importing", "ready", "failed"]


class VideoImport(Strict):
    """Body of `POST /api/v1/videos` as JSON: fetch the recording from `url`."""

    model_config = example(url="https://cdn.acme.example/talks/opening.mp4", name="Opening talk")

    url: Url
    name: Label | None = None


class VideoQuery(PageQuery):
    """Which videos."""

    state: State | None = None


class VideoTrackResponse(BaseModel):
    """The picture, upright and with square pixels."""

    codec: str
    width: int
    height: int
    fps: float
    variable_fps: bool
    rotation: int
    hdr: str


class AudioTrackResponse(BaseModel):
    """One audio track. `number` is what `audio_track` of an order names. `silent`: nothing was
    heard in samples of it; null: not looked at."""

    number: int
    codec: str
    channels: int
    sample_rate: int
    language: str | None
    title: str | None = None
    default: bool = False
    comment: bool = False
    silent: bool | None = None


class SubtitlesResponse(BaseModel):
    """One subtitle track; `text` is whether it holds text rather than pictures, `forced` ones hold
    a few lines only."""

    codec: str
    language: str | None
    text: bool
    default: bool = False
    forced: bool = False


class MediaResponse(BaseModel):
    """What the file's header says."""

    container: str
    duration_s: float
    picture: VideoTrackResponse | None
    sound: list[AudioTrackResponse]
    subtitles: list[SubtitlesResponse]


class TranscriptResponse(BaseModel):
    """What was put beside the video. `encoding` is the one in which it was read, by IANA's name;
    `notes` say what was wrong with it and mended or left out; `undrawn_scripts` are in no font, and
    so not in captions."""

    kind: Literal["srt", "vtt", "json"]
    bytes: int
    words: int
    language: str | None
    encoding: str | None = None
    notes: list[str] = []
    undrawn_scripts: list[str] = []


class VideoResponse(BaseModel):
    """One video. `media` is there once it is ready; `problem` says why an import failed."""

    id: str
    name: str
    state: State
    bytes: int
    sha256: str
    media: MediaResponse | None
    transcript: TranscriptResponse | None
    problem: dict[str, Any] | None
    created: float
    expires: float | None

    @classmethod
    def of(cls, video: Video) -> "VideoResponse":
        return cls(
            id=video.id,
            name=video.name,
            state=video.state,
            bytes=video.bytes,
            sha256=video.sha256,
            media=None if video.info is None else _media(video.info),
            transcript=None if video.transcript is None else _transcript(video.transcript),
            problem=None if video.problem is None else dict(video.problem),
            created=video.created,
            expires=video.expires,
        )


class ImportResponse(BaseModel):
    """The video that is being fetched, and the job that does it: `/api/v1/jobs/{job}`."""

    video: VideoResponse
    job: str


class VideoPage(PageResponse):
    data: list[VideoResponse]


class UploadResponse(BaseModel):
    """One upload. `video` or `file` is what it became; `problem` says why it became none."""

    id: str
    name: str
    state: Literal["open", "finishing", "done", "failed"]
    length: Annotated[int, Field(description="Bytes in all.")]
    received: Annotated[int, Field(description="Bytes that have come.")]
    video: str | None
    file: str | None
    problem: dict[str, Any] | None
    created: float
    expires: float

    @classmethod
    def of(cls, upload: Upload) -> "UploadResponse":
        said = {name: getattr(upload, name) for name in cls.model_fields}
        if upload.file is not None:
            said["video"] = None
        return cls.model_validate(said)


def _media(info: Mapping[str, Any]) -> MediaResponse:
    return MediaResponse(
        container=info["container"],
        duration_s=info["duration"],
        picture=None if info["video"] is None else _picture(info["video"]),
        sound=[
            AudioTrackResponse.model_validate({**track, "number": number})
            for number, track in enumerate(info["audio"], 1)
        ],
        subtitles=[SubtitlesResponse.model_validate(track) for track in info["subtitles"]],
    )


def _picture(track: Mapping[str, Any]) -> VideoTrackResponse:
    fps = round(float(Fraction(*track["fps"])), 3)
    return VideoTrackResponse.model_validate({**track, "fps": fps, "variable_fps": track["vfr"]})


def _transcript(said: Mapping[str, Any]) -> TranscriptResponse:
    return TranscriptResponse.model_validate(said)
