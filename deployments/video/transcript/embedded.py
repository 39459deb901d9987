"""Embedded subtitles: a source in, its words out. ffmpeg converts them in the sandbox."""

from pathlib import Path

from deployments.contracts.media import MediaSource, SubtitleTrack, Transcript
from deployments.sandbox import Cancel, ChildLimits, SandboxedCommand, run
from deployments.sandbox.binary import ffmpeg_binary
from deployments.sandbox.errors import MediaDamaged, MediaTooLarge, TranscriptRefused
from deployments.sandbox.folders import lend_source, read_output
from deployments.sandbox.inputs import ffmpeg_input
from deployments.video.probe.tracks import best_subtitles
from deployments.video.transcript.parsing import MAX_BYTES
from deployments.video.transcript.reading import read_transcript


def embedded_transcript(
    source: MediaSource,
    folder: Path,
    cancel: Cancel | None = None,
    language: str | None = None,
    keep_labels: bool = False,
) -> Transcript | None:
    """The words of the best text subtitles (deployments/video/probe/tracks.py), preferably of
    `language`. None: there are none, or none can be read. Raises MediaTimeout, SandboxFailed and
    Cancelled."""
    track = best_subtitles(source.info, language)
    if track is None:
        return None
    try:
        srt = _convert_to_srt(source, track, folder, cancel)
        transcript = read_transcript(
            srt, "srt", folder, cancel, origin="embedded", language=track.language,
            keep_labels=keep_labels,
        )  # fmt: skip
    except (MediaDamaged, MediaTooLarge, TranscriptRefused):
        return None
    return transcript if transcript.words else None


def _convert_to_srt(
    source: MediaSource, track: SubtitleTrack, folder: Path, cancel: Cancel | None
) -> bytes:
    with lend_source(source.path, folder, ".srt") as (link, out):
        options = ["-map", f"0:{track.index}", "-c:s", "srt", "-f", "srt", out.name]
        run(
            SandboxedCommand(
                (ffmpeg_binary(), "-v", "error", "-nostdin", *ffmpeg_input(link.name), *options),
                folder,
                ChildLimits(output_bytes=MAX_BYTES),
                cancel=cancel,
                readable=(source.path.resolve(),),
            )
        )
        srt = read_output(out, MAX_BYTES + 1)
    if srt is None:
        raise MediaDamaged("The subtitles could not be read.")
    return srt
