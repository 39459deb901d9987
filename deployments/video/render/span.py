"""Surveys the span of a clip: one run that demuxes it and measures its sound.

In: a plan's start and end. Out: where to seek, the first frame, the number of frames and their
rate, the loudness, and what is missing. Only sound is decoded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from deployments.contracts.clips import ClipPlan
from deployments.contracts.media import AudioTrack, MediaInfo, Seconds, VideoTrack
from deployments.sandbox.errors import MediaDamaged
from deployments.sandbox.inputs import ffmpeg_input
from deployments.video.probe.tracks import sound_of
from deployments.video.render.audio_filters import (
    CHANNEL_METER,
    METER,
    to_filter_string,
    trim_and_resample,
)
from deployments.video.render.channels import Channels, Repair, parse_channels, repair_of
from deployments.video.render.loudness import LoudnessMeasurement, for_both_channels, parse_loudness
from deployments.video.render.packets import Packet, read_packets
from deployments.video.render.rates import DEFAULT, output_rate
from deployments.video.render.workspace import Workspace

BEYOND_S = 1.0
EARLIER_S = (0.0, 3.0, 15.0)
MAX_HELD_S = 10.0
LATE_S = 0.25  # a longer missing beginning is reported
EARLY_S = 0.5  # likewise a missing end
SOUND_TOLERANCE_S = 0.1  # sound that begins so soon after the wanted time is complete
_NO_PICTURE = "The recording has no picture in the clip's span."
_DISCONTINUOUS = ("mpegts", "mpeg", "ogg")
HELD_S = 0.5  # how long the last picture is held while its sound continues


@dataclass(frozen=True, slots=True)
class Span:
    """`seek`: where to seek in the source (0: no seek), after which ffmpeg's time 0 is at `zero`.
    `start`: when the clip begins, `first`: when its first frame is shown (earlier, if it was
    already shown). All in seconds of the source. The clip has `frames` at `rate`; the last may be
    held for `held` seconds. `loudness` is None without sound; `repair` is for its channels. `gaps`
    describes what is missing."""

    seek: Seconds
    zero: Seconds
    start: Seconds
    first: Seconds
    held: Seconds
    rate: Fraction
    frames: int
    loudness: LoudnessMeasurement | None
    repair: Repair | None = None
    gaps: tuple[str, ...] = ()

    @property
    def interval(self) -> Seconds:
        return float(1 / self.rate)

    @property
    def lead(self) -> Seconds:
        """How long after ffmpeg's time 0 the clip begins."""
        return self.start - self.zero

    @property
    def duration(self) -> Seconds:
        return float(self.frames / self.rate)


@dataclass(frozen=True, slots=True)
class _Survey:
    """The survey after a seek to `seek`: packets of picture and sound by time in the source, and
    the loudness and channels of the plan's span."""

    seek: Seconds
    zero: Seconds
    pictures: tuple[Packet, ...]
    sounds: tuple[Packet, ...]
    loudness: LoudnessMeasurement | None
    channels: Channels | None

    def shows_from(self, start: Seconds) -> bool:
        """Whether the picture can be decoded from `start` on."""
        return any(packet.is_keyframe and packet.time <= start for packet in self.pictures)

    def sounds_from(self, start: Seconds, track: AudioTrack | None) -> bool:
        """Whether all of the recording's sound from `start` on was read."""
        if track is None:
            return True
        return (
            bool(self.sounds) and self.sounds[0].time <= max(start, track.start) + SOUND_TOLERANCE_S
        )


def find_span(plan: ClipPlan, info: MediaInfo, workspace: Workspace) -> Span:
    """Seeks earlier if a container's index led past the wanted frame (as in MPEG-TS) or past its
    sound.

    Raises MediaDamaged: there is nothing in the span.
    """
    if info.video is None:
        return _span_of_sound(plan, _survey_at(plan, info, plan.start, workspace))
    track = sound_of(info)
    best: _Survey | None = None
    for seek in _seek_candidates(plan.start, info.video):
        survey = _survey_at(plan, info, seek, workspace)
        if seek > 0 and not survey.shows_from(plan.start):
            continue
        best = best or survey
        if seek == 0 or survey.sounds_from(plan.start, track):
            best = survey
            break
    return _span_of_picture(plan, info.video, best or _survey_at(plan, info, 0.0, workspace))


def seek_arguments(seek: Seconds) -> list[str]:
    """ffmpeg's arguments. Even a seek to 0 loses sound: it goes to the picture's first keyframe."""
    return ["-ss", f"{seek:.6f}"] if seek > 0 else []


def _seek_candidates(start: Seconds, picture: VideoTrack) -> list[Seconds]:
    """Seek positions to try in turn. 0 for those before the picture begins: seeking there would
    lead to its first keyframe, too."""
    candidates = [start - earlier for earlier in EARLIER_S]
    return list(
        dict.fromkeys(candidate if candidate > picture.start else 0.0 for candidate in candidates)
    )


def _survey_at(plan: ClipPlan, info: MediaInfo, seek: Seconds, workspace: Workspace) -> _Survey:
    listings = [workspace.folder / f"c{plan.index}-{kind}.txt" for kind in ("packets", "sounds")]
    track = sound_of(info)
    zero = _zero_time(info, seek)
    argv = workspace.ffmpeg("-v", "info", "-nostats", *seek_arguments(seek))
    argv += ["-t", f"{plan.end - seek + BEYOND_S:.6f}", *ffmpeg_input(workspace.source)]
    for stream, listing in zip((info.video, track), listings, strict=True):
        if stream is not None:
            argv += ["-map", f"0:{stream.index}", "-c", "copy", "-f", "framecrc", listing.name]
    if track is not None:
        lead, length = plan.start - zero, plan.end - plan.start
        chain = to_filter_string(
            (*trim_and_resample(lead, length, starts_late=True), METER, *CHANNEL_METER)
        )
        argv += ["-filter_complex", f"[0:{track.index}]{chain}[a]", "-map", "[a]"]
        argv += ["-f", "null", "-"]
    try:
        log_text = workspace.run(argv).err
        pictures, sounds = (
            _on_source_timeline(read_packets(listing), zero) for listing in listings
        )
    finally:
        for listing in listings:
            listing.unlink(missing_ok=True)
    loudness = None if track is None else parse_loudness(log_text)
    channels = None if track is None else parse_channels(log_text)
    return _Survey(seek, zero, pictures, sounds, loudness, channels)


def _on_source_timeline(packets: Sequence[Packet], zero: Seconds) -> tuple[Packet, ...]:
    return tuple(replace(packet, time=packet.time + zero) for packet in packets)


def _zero_time(info: MediaInfo, seek: Seconds) -> Seconds:
    """The time of the source that ffmpeg calls 0. In a container whose clock may jump, that is not
    before the earliest of the streams in use starts."""
    track = sound_of(info)
    if info.container not in _DISCONTINUOUS or info.video is None:
        return seek
    return max(seek, min(stream.start for stream in (info.video, track) if stream is not None))


def _span_of_sound(plan: ClipPlan, survey: _Survey) -> Span:
    frames = max(1, round((plan.end - plan.start) * DEFAULT))
    start = plan.start
    span = Span(start, start, start, start, HELD_S, DEFAULT, frames, survey.loudness)
    return _with_sound(span, survey)


def _span_of_picture(plan: ClipPlan, track: VideoTrack, survey: _Survey) -> Span:
    packets, times = survey.pictures, [packet.time for packet in survey.pictures]
    rate = output_rate(track.fps, track.vfr, times)
    half = float(1 / rate) / 2
    if not times or times[0] >= plan.end:
        raise MediaDamaged(_NO_PICTURE)
    first = max((time for time in times if time <= plan.start + half), default=times[0])
    start = first - round((first - plan.start) * rate) / float(rate)  # frames fall on whole steps
    last_end = max(packet.time + (packet.duration or 2 * half) for packet in packets)
    held = _max_hold_s(times, track.vfr)
    if track.end is not None and plan.end <= track.end + 2 * half:  # other pictures follow
        held = max(held, plan.end - last_end)
    end = plan.end if last_end + held >= plan.end else last_end
    frames = round((end - start) * rate)
    if frames < 1:
        raise MediaDamaged(_NO_PICTURE)
    span = Span(survey.seek, survey.zero, start, first, held, rate, frames, survey.loudness)
    return _with_sound(span, survey)


def _with_sound(span: Span, survey: _Survey) -> Span:
    """With its repair and gaps."""
    repair = repair_of(survey.channels)
    loudness = span.loudness
    if loudness is not None and repair in ("left", "right"):
        loudness = for_both_channels(loudness)
    return replace(span, loudness=loudness, repair=repair, gaps=tuple(_gaps(span, survey)))


def _gaps(span: Span, survey: _Survey) -> Iterator[str]:
    """What the source lacks of the span, in words."""
    if not survey.sounds:
        return
    begins = survey.sounds[0].time
    ends = max(packet.time + packet.duration for packet in survey.sounds)
    sound_delay = begins - max(span.start, 0.0)
    picture_delay = span.first - max(span.start, begins)
    if survey.pictures and picture_delay > LATE_S:
        ms = 1000 * picture_delay
        yield f"sound begins {ms:.0f} ms before the picture, whose first frame is held"
    elif sound_delay > LATE_S:
        yield f"sound begins {1000 * sound_delay:.0f} ms after the picture: it is silent until then"
    missing = span.start + span.duration - ends
    if missing > EARLY_S:
        yield f"sound ends {1000 * missing:.0f} ms before the picture: it is silent from then on"


def _max_hold_s(times: Sequence[Seconds], vfr: bool) -> Seconds:
    """How long the last frame may be held: longer if frames are far apart anyway."""
    widest = max((after - before for before, after in pairwise(times)), default=0.0)
    return min(MAX_HELD_S, max(HELD_S, 2 * widest)) if vfr else HELD_S
