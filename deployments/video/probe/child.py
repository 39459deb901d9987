"""Sandboxed child: probes one recording with PyAV.

Flows in: the file's name in the working folder and the limits. Flows out: MediaInfo as plain JSON
(fractions as text). Reads the header, the first packets, one picture, and the last packets.
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from av.stream import Disposition  # noqa: TID253 (runs as a child only)

from deployments.contracts.media import AudioTrack, SubtitleTrack
from deployments.sandbox.child import run_child
from deployments.sandbox.errors import (
    MediaEncrypted,
    MediaIncomplete,
    MediaRefused,
    MediaTooLarge,
)
from deployments.sandbox.inputs import open_media
from deployments.video.probe.audio import silences
from deployments.video.probe.duration import measure_duration, since_start
from deployments.video.probe.encryption import is_encrypted
from deployments.video.probe.mp4_index import lacks_index
from deployments.video.probe.tracks import VideoStream, best_picture
from deployments.video.probe.video import video_track

_STILL = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
_COMMENT = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.karaoke
    | Disposition.clean_effects
)
_MAX_TITLE = 80
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")
_TEXT = {
    "ass", "ssa", "subrip", "srt", "mov_text", "webvtt", "text", "microdvd", "subviewer",
    "subviewer1", "sami", "realtext", "mpl2", "jacosub", "pjs", "stl", "vplayer", "ttml",
}  # fmt: skip


def probe_file(request: dict[str, Any]) -> dict[str, Any]:
    name, limits = str(request["name"]), request["limits"]
    with open_or_diagnose(name) as container:
        streams = len(container.streams)
        if streams > limits["max_streams"]:
            raise MediaTooLarge("max_streams", limits["max_streams"], streams)
        if is_encrypted(name):
            raise MediaEncrypted
        video = main_video(container)
        tracks = {
            "container": container.format.name.split(",")[0],
            "video": None if video is None else video_track(container, video, limits),
            "audio": [asdict(track) for track in audio_tracks(container)],
            "subtitles": [asdict(track) for track in subtitle_tracks(container)],
        }
    has_media = bool(tracks["video"] or tracks["audio"])
    duration = measure_duration(name) if has_media else 0.0
    silent = silences(name, [track["index"] for track in tracks["audio"]], duration)
    audio = [{**track, "silent": silent.get(track["index"])} for track in tracks["audio"]]
    return {**tracks, "audio": audio, "duration": duration}


def open_or_diagnose(name: str) -> Any:
    """Raises MediaIncomplete rather than MediaRefused if only the index is missing."""
    try:
        return open_media(name)
    except MediaRefused:
        if lacks_index(Path(name)):
            raise MediaIncomplete() from None
        raise


def main_video(container: Any) -> Any:
    """The stream of the recording's picture, None if it has none."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    best_index = best_picture([_video_stream(stream) for stream in streams])
    return next((stream for stream in streams if stream.index == best_index), None)


def _video_stream(stream: Any) -> VideoStream:
    return VideoStream(
        stream.index,
        stream.codec_context.width * stream.codec_context.height,
        default=bool(stream.disposition & Disposition.default),
        still=bool(stream.disposition & _STILL),
    )


def audio_tracks(container: Any) -> list[AudioTrack]:
    return [
        AudioTrack(
            index=stream.index,
            codec=stream.codec_context.codec.canonical_name,
            channels=stream.codec_context.layout.nb_channels,
            sample_rate=stream.codec_context.sample_rate,
            language=language(stream),
            start=since_start(container, stream),
            default=bool(stream.disposition & Disposition.default),
            comment=bool(stream.disposition & _COMMENT),
            dub=bool(stream.disposition & Disposition.dub),
            title=title(stream),
        )
        for stream in container.streams.audio
        if stream.codec_context is not None
        and stream.codec_context.sample_rate > 0
        and stream.codec_context.layout.nb_channels > 0
    ]


def subtitle_tracks(container: Any) -> list[SubtitleTrack]:
    return [
        SubtitleTrack(
            index=stream.index,
            codec=stream.codec_context.codec.canonical_name,
            language=language(stream),
            text=stream.codec_context.codec.canonical_name in _TEXT,
            default=bool(stream.disposition & Disposition.default),
            forced=bool(stream.disposition & Disposition.forced),
            comment=bool(stream.disposition & _COMMENT),
            impaired=bool(stream.disposition & Disposition.hearing_impaired),
        )
        for stream in container.streams.subtitles
        if stream.codec_context is not None
    ]


def language(stream: Any) -> str | None:
    """The file's tag (usually ISO 639-2: "eng") in lower case; None: unknown or not a language."""
    tag = stream.metadata.get("language", "")
    is_known = _LANGUAGE.fullmatch(tag) and tag.lower() not in ("und", "unk", "mis", "mul", "zxx")
    return tag.lower() if is_known else None


def title(stream: Any) -> str | None:
    """The file's name of the track, truncated; None: nothing printable."""
    text = str(stream.metadata.get("title", ""))
    return "".join(sign for sign in text if sign.isprintable())[:_MAX_TITLE].strip() or None


if __name__ == "__main__":
    run_child(probe_file)
