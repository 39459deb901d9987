"""Transcripts that callers put beside a video: which kind one is, and whether it can be read.

Flows in: bytes, and what is said of them. Flows out: a file of a known kind that parses, or a
problem.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.media.videos import Video, VideoCatalog, objects_expire, transcript_of
from cluster.problems import Conflict, UnsupportedMedia
from deployments.clipper.transcript import Kind, TranscriptRefused, parse_transcript

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
}
_UNSAID = frozenset({"", "text/plain", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A transcript that can be read; `said` is what the catalogue keeps of it."""

    kind: Kind
    data: bytes
    said: dict[str, Any]


async def sidecar(data: bytes, content_type: str, name: str | None = None) -> Sidecar:
    """Raises UnsupportedMedia and TranscriptRefused."""
    kind = _kind(data, content_type, name)
    transcript = await asyncio.to_thread(parse_transcript, data, kind)
    if not transcript.words:
        raise TranscriptRefused("transcript: holds no words.")
    language, words = transcript.language, len(transcript.words)
    said = {"kind": kind, "bytes": len(data), "words": words, "language": language}
    return Sidecar(kind, data, said)


async def keep_file(
    connection: AsyncConnection, files: TenantFiles, video: Video, found: Sidecar
) -> None:
    """In place of any before; it lives as long as the video."""
    path, media_type = transcript_of(video.id), MEDIA_TYPES[found.kind]
    expires = objects_expire(video)
    await files.put(video.tenant, path, found.data, media_type, expires, connection=connection)


async def put_beside(
    connection: AsyncConnection,
    videos: VideoCatalog,
    files: TenantFiles,
    video: Video,
    found: Sidecar,
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
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:6]
    if start == b"WEBVTT":
        return "vtt"
    return "json" if start[:1] in (b"{", b"[") else "srt"
