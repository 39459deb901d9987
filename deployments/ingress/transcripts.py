"""Transcripts that callers add to a video: their format, and whether they can be parsed.

Flows in: bytes with their content type and name. Flows out: a file of a known format that parses,
or a problem.
"""

from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import Conflict, UnsupportedMedia
from deployments.video.catalog import Video, VideoCatalog, objects_expire, transcript_of
from deployments.video.ingest import VideoIngest
from deployments.video.transcript import Kind, TranscriptRefused

MEDIA_TYPES: dict[Kind, str] = {
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "json": "application/json",
}
_KINDS: dict[str, Kind] = {
    "application/x-subrip": "srt",
    "application/srt": "srt",
    "text/srt": "srt",
    "text/vtt": "vtt",
    "application/json": "json",
    "application/jsonl": "json",
    "application/x-ndjson": "json",
}
_UNSPECIFIC_TYPES = frozenset({"", "text/plain", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """A transcript that can be parsed; `summary` is stored with the video, its last word begins at
    `last_s`."""

    kind: Kind
    data: bytes
    summary: dict[str, Any]
    last_s: float


async def detect_format(
    intake: VideoIngest,
    data: bytes,
    content_type: str,
    name: str | None = None,
    duration: float | None = None,
) -> TranscriptFile:
    """Parse it in a confined child process. `duration` is the recording's, None: not known yet.

    Raises UnsupportedMedia and TranscriptRefused.
    """
    return await _read(intake, data, _kind(data, content_type, name), duration)


async def fit_to_video(intake: VideoIngest, file: TranscriptFile, video: Video) -> TranscriptFile:
    """The same, now that the recording's duration is known.

    Raises TranscriptRefused: all of it lies after the recording's end.
    """
    duration = duration_of(video)
    if duration is None or file.last_s < duration:
        return file
    return await _read(intake, file.data, file.kind, duration)


async def _read(
    intake: VideoIngest, data: bytes, kind: Kind, duration: float | None
) -> TranscriptFile:
    transcript = await intake.read_transcript(data, kind, duration)
    if not transcript.words:
        raise TranscriptRefused("transcript: holds no words.")
    summary = {
        "kind": kind,
        "bytes": len(data),
        "words": len(transcript.words),
        "language": transcript.language,
        "encoding": transcript.encoding,
        "notes": list(transcript.notes),
        "undrawn_scripts": list(transcript.undrawn_scripts),
    }
    return TranscriptFile(kind, data, summary, transcript.words[-1].start)


async def store_transcript(
    connection: AsyncConnection, files: TenantFiles, video: Video, file: TranscriptFile
) -> None:
    """Store it in place of any other; it expires with the video."""
    path, media_type = transcript_of(video.id), MEDIA_TYPES[file.kind]
    expires = objects_expire(video)
    await files.put(video.tenant, path, file.data, media_type, expires, connection=connection)


def duration_of(video: Video) -> float | None:
    """Seconds of its recording; None: it was not probed yet."""
    return None if video.info is None else float(video.info["duration"])


async def attach_transcript(
    connection: AsyncConnection,
    videos: VideoCatalog,
    files: TenantFiles,
    video: Video,
    file: TranscriptFile,
) -> Video:
    """Add it to a video. Raises Conflict for a video that is not ready."""
    if video.state != "ready":
        raise Conflict(f"Video '{video.id}' is {video.state}; it takes a transcript once ready.")
    await store_transcript(connection, files, video, file)
    media = {**video.media, "transcript": file.summary}
    return await videos.change(connection, video, media=media)


def _kind(data: bytes, content_type: str, name: str | None) -> Kind:
    """By its content type, else by its name, else by its first bytes."""
    suffix = (name or "").rpartition(".")[2].lower()
    if content_type in _UNSPECIFIC_TYPES:
        named: list[Kind] = [kind for kind in get_args(Kind) if kind == suffix]
        return named[0] if named else _detect(data)
    try:
        return _KINDS[content_type]
    except KeyError:
        raise UnsupportedMedia(content_type, sorted(_KINDS)) from None


def _detect(data: bytes) -> Kind:
    start = data[:200].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()[:6]
    if start == b"WEBVTT":
        return "vtt"
    return "json" if start[:1] in (b"{", b"[") else "srt"
