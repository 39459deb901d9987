"""Transcripts that callers put beside a video: which kind one is, and whether it can be read.

Flows in: bytes, and what is said of them. Flows out: a file of a known kind that parses, or a
problem.
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
_UNSAID = frozenset({"", "text/plain", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """A transcript that can be read; `said` is what the catalogue keeps of it, `last_s` when its
    last word begins."""

    kind: Kind
    data: bytes
    said: dict[str, Any]
    last_s: float


async def detect_format(
    intake: VideoIngest,
    data: bytes,
    content_type: str,
    name: str | None = None,
    duration: float | None = None,
) -> TranscriptFile:
    """It is read in a confined child. `duration` is the recording's, None: not known yet.

    Raises UnsupportedMedia and TranscriptRefused.
    """
    return await _read(intake, data, _kind(data, content_type, name), duration)


async def fitted(intake: VideoIngest, found: TranscriptFile, video: Video) -> TranscriptFile:
    """`found`, now that its recording's duration is known.

    Raises TranscriptRefused: all of it lies after the recording's end.
    """
    duration = duration_of(video)
    if duration is None or found.last_s < duration:
        return found
    return await _read(intake, found.data, found.kind, duration)


async def _read(
    intake: VideoIngest, data: bytes, kind: Kind, duration: float | None
) -> TranscriptFile:
    transcript = await intake.read_transcript(data, kind, duration)
    if not transcript.words:
        raise TranscriptRefused("transcript: holds no words.")
    said = {
        "kind": kind,
        "bytes": len(data),
        "words": len(transcript.words),
        "language": transcript.language,
        "encoding": transcript.encoding,
        "notes": list(transcript.notes),
        "undrawn_scripts": list(transcript.undrawn_scripts),
    }
    return TranscriptFile(kind, data, said, transcript.words[-1].start)


async def keep_file(
    connection: AsyncConnection, files: TenantFiles, video: Video, found: TranscriptFile
) -> None:
    """In place of any before; it lives as long as the video."""
    path, media_type = transcript_of(video.id), MEDIA_TYPES[found.kind]
    expires = objects_expire(video)
    await files.put(video.tenant, path, found.data, media_type, expires, connection=connection)


def duration_of(video: Video) -> float | None:
    """Seconds of its recording; None: nobody has looked at it yet."""
    return None if video.info is None else float(video.info["duration"])


async def attach_transcript(
    connection: AsyncConnection,
    videos: VideoCatalog,
    files: TenantFiles,
    video: Video,
    found: TranscriptFile,
) -> Video:
    """Keep it with a video that is there. Raises Conflict for one that is not ready."""
    if video.state != "ready":
        raise Conflict(f"Video '{video.id}' is {video.state}; it takes a transcript once ready.")
    await keep_file(connection, files, video, found)
    media = {**video.media, "transcript": found.said}
    return await videos.change(connection, video, media=media)


def _kind(data: bytes, content_type: str, name: str | None) -> Kind:
    """What is said of it; where nothing is, what it looks like."""
    suffix = (name or "").rpartition(".")[2].lower()
    if content_type in _UNSAID:
        named: list[Kind] = [kind for kind in get_args(Kind) if kind == suffix]
        return named[0] if named else _looks_like(data)
    try:
        return _KINDS[content_type]
    except KeyError:
        raise UnsupportedMedia(content_type, sorted(_KINDS)) from None


def _looks_like(data: bytes) -> Kind:
    start = data[:200].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()[:6]
    if start == b"WEBVTT":
        return "vtt"
    return "json" if start[:1] in (b"{", b"[") else "srt"
