"""Sidecars: transcripts that callers attach to a video.

Flows in: bytes, their content type, their name. Flows out: a file of a known kind that parses, and
its row in the catalog; or a problem.
"""

from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import Conflict, UnsupportedMedia
from deployments.sandbox.errors import TranscriptRefused
from deployments.video.catalog import Video, VideoCatalog, objects_expire, transcript_of
from deployments.video.ingest import VideoIngest
from deployments.video.transcript import Kind

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
_UNSPECIFIC = frozenset({"", "text/plain", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """A transcript that parses. `summary` is stored in the catalog; the last word begins at
    `last_s`."""

    kind: Kind
    data: bytes
    summary: dict[str, Any]
    last_s: float


async def read_sidecar(
    ingest: VideoIngest,
    data: bytes,
    content_type: str,
    name: str | None = None,
    duration: float | None = None,
) -> TranscriptFile:
    """Parses it in a confined child. `duration` is the recording's; None: not known yet.

    Raises UnsupportedMedia and TranscriptRefused.
    """
    return await _read(ingest, data, _kind(data, content_type, name), duration)


async def check_duration(ingest: VideoIngest, file: TranscriptFile, video: Video) -> TranscriptFile:
    """`file`, parsed again if the recording ends before its last word.

    Raises TranscriptRefused if all words are after the recording's end.
    """
    duration = duration_of(video)
    if duration is None or file.last_s < duration:
        return file
    return await _read(ingest, file.data, file.kind, duration)


async def _read(
    ingest: VideoIngest, data: bytes, kind: Kind, duration: float | None
) -> TranscriptFile:
    transcript = await ingest.read_transcript(data, kind, duration)
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


async def store_sidecar(
    connection: AsyncConnection, files: TenantFiles, video: Video, file: TranscriptFile
) -> None:
    """Replaces an earlier one; it expires with the video."""
    path, media_type = transcript_of(video.id), MEDIA_TYPES[file.kind]
    expires = objects_expire(video)
    await files.put(video.tenant, path, file.data, media_type, expires, connection=connection)


def duration_of(video: Video) -> float | None:
    """Seconds of its recording; None: not probed yet."""
    return None if video.info is None else float(video.info["duration"])


async def attach_sidecar(
    connection: AsyncConnection,
    videos: VideoCatalog,
    files: TenantFiles,
    video: Video,
    file: TranscriptFile,
) -> Video:
    """Stores it with an existing video. Raises Conflict for one that is not ready."""
    if video.state != "ready":
        raise Conflict(f"Video '{video.id}' is {video.state}; it takes a transcript once ready.")
    await store_sidecar(connection, files, video, file)
    media = {**video.media, "transcript": file.summary}
    return await videos.change(connection, video, media=media)


def _kind(data: bytes, content_type: str, name: str | None) -> Kind:
    """By content type; for an unspecific one by the name's suffix, else by the first bytes."""
    suffix = (name or "").rpartition(".")[2].lower()
    if content_type in _UNSPECIFIC:
        named: list[Kind] = [kind for kind in get_args(Kind) if kind == suffix]
        return named[0] if named else _sniff(data)
    try:
        return _KINDS[content_type]
    except KeyError:
        raise UnsupportedMedia(content_type, sorted(_KINDS)) from None


def _sniff(data: bytes) -> Kind:
    start = data[:200].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe").lstrip()[:6]
    if start == b"WEBVTT":
        return "vtt"
    return "json" if start[:1] in (b"{", b"[") else "srt"
