"""Finds what of a source a clip really gets: one run that demuxes the span and listens to it.

In: a plan's start and end. Out: where to seek, which frame comes first, how many there are at which
rate, how loud the span is, and what is missing in it. Nothing is decoded but sound.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from deployments.contracts.clips import ClipPlan
from deployments.contracts.media import AudioTrack, MediaInfo, Seconds, VideoTrack
from deployments.video.errors import MediaDamaged
from deployments.video.probe.tracks import sound_of
from deployments.video.render.audio_filters import (
    CHANNEL_METER,
    METER,
    to_filter_string,
    trim_and_resample,
)
from deployments.video.render.channels import Channels, Repair, parse_channels, repair_of
from deployments.video.render.loudness import LoudnessMeasurement, on_both, parse_loudness
from deployments.video.render.packets import Packet, read_packets
from deployments.video.render.rates import DEFAULT, output_rate
from deployments.video.render.workspace import Workspace
from deployments.video.sandbox.inputs import ffmpeg_input

BEYOND_S = 1.0
EARLIER_S = (0.0, 3.0, 15.0)
MOST_HELD_S = 10.0
LATE_S = 0.25  # a beginning that is missing for longer is reported,
EARLY_S = 0.5  # and so is an end
NEAR_S = 0.1  # sound that is found so close to where it is sought is not looked for elsewhere
_NOTHING = "The recording has no picture in the clip's span."
_JUMPING = ("mpegts", "mpeg", "ogg")
HELD_S = 0.5  # a picture that ends a little before its sound is held for that long


@dataclass(frozen=True, slots=True)
class Span:
    """`seek`: where to seek in the source (0: nowhere, it is read from its beginning), after which
    ffmpeg's time 0 is at `zero`. `start`: when the clip begins, `first`: when its first frame is
    shown (earlier, if that was on show already). All in seconds of the source. The clip has
    `frames` at `rate`; the last may be held for `held` seconds. `heard` is None without sound;
    `repair` is what its channels need. `gaps` names what is missing.
    """

    seek: Seconds
    zero: Seconds
    start: Seconds
    first: Seconds
    held: Seconds
    rate: Fraction
    frames: int
    heard: LoudnessMeasurement | None
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
    """What was found after seeking to `seek`: packets of picture and sound by time in the source,
    and how the plan's span sounds."""

    seek: Seconds
    zero: Seconds
    pictures: tuple[Packet, ...]
    sounds: tuple[Packet, ...]
    heard: LoudnessMeasurement | None
    channels: Channels | None

    def shows_from(self, start: Seconds) -> bool:
        """Whether the picture can be decoded from `start` on."""
        return any(packet.key and packet.at <= start for packet in self.pictures)

    def sounds_from(self, start: Seconds, track: AudioTrack | None) -> bool:
        """Whether no sound is lost that the recording has from `start` on."""
        if track is None:
            return True
        return bool(self.sounds) and self.sounds[0].at <= max(start, track.start) + NEAR_S


def find_span(plan: ClipPlan, info: MediaInfo, work: Workspace) -> Span:
    """Seeks earlier where a container's index led behind the wanted frame (MPEG-TS does that) or
    behind its sound.

    Raises MediaDamaged: there is nothing in the span.
    """
    if info.video is None:
        return _of_sound(plan, _survey(plan, info, plan.start, work))
    track = sound_of(info)
    best: _Survey | None = None
    for seek in _seeks(plan.start, info.video):
        found = _survey(plan, info, seek, work)
        if seek > 0 and not found.shows_from(plan.start):
            continue
        best = best or found
        if seek == 0 or found.sounds_from(plan.start, track):
            best = found
            break
    return _of_picture(plan, info.video, best or _survey(plan, info, 0.0, work))


def sought(seek: Seconds) -> list[str]:
    """The words that seek there. Not even to 0 does ffmpeg seek without loss: it goes to the first
    keyframe of the picture, and sound before that is gone."""
    return ["-ss", f"{seek:.6f}"] if seek > 0 else []


def _seeks(start: Seconds, picture: VideoTrack) -> list[Seconds]:
    """Where to seek, one after the other, to begin at `start`. Nowhere before the picture begins:
    seeking there would lead to its first keyframe, too."""
    places = [start - earlier for earlier in EARLIER_S]
    return list(dict.fromkeys(place if place > picture.start else 0.0 for place in places))


def _survey(plan: ClipPlan, info: MediaInfo, seek: Seconds, work: Workspace) -> _Survey:
    listings = [work.folder / f"c{plan.index}-{kind}.txt" for kind in ("packets", "sounds")]
    track = sound_of(info)
    zero = _zero(info, seek)
    argv = work.ffmpeg("-v", "info", "-nostats", *sought(seek))
    argv += ["-t", f"{plan.end - seek + BEYOND_S:.6f}", *ffmpeg_input(work.source)]
    for stream, listing in zip((info.video, track), listings, strict=True):
        if stream is not None:
            argv += ["-map", f"0:{stream.index}", "-c", "copy", "-f", "framecrc", listing.name]
    if track is not None:
        lead, length = plan.start - zero, plan.end - plan.start
        chain = to_filter_string(
            (*trim_and_resample(lead, length, late=True), METER, *CHANNEL_METER)
        )
        argv += ["-filter_complex", f"[0:{track.index}]{chain}[a]", "-map", "[a]"]
        argv += ["-f", "null", "-"]
    try:
        log = work.run(argv).err
        pictures, sounds = (_placed(read_packets(listing), zero) for listing in listings)
    finally:
        for listing in listings:
            listing.unlink(missing_ok=True)
    heard = None if track is None else parse_loudness(log)
    channels = None if track is None else parse_channels(log)
    return _Survey(seek, zero, pictures, sounds, heard, channels)


def _placed(packets: Sequence[Packet], zero: Seconds) -> tuple[Packet, ...]:
    return tuple(replace(packet, at=packet.at + zero) for packet in packets)


def _zero(info: MediaInfo, seek: Seconds) -> Seconds:
    """The time of the source that ffmpeg calls 0. In a container whose clock may jump, that is not
    before the earliest of the streams in use starts."""
    track = sound_of(info)
    if info.container not in _JUMPING or info.video is None:
        return seek
    return max(seek, min(stream.start for stream in (info.video, track) if stream is not None))


def _of_sound(plan: ClipPlan, found: _Survey) -> Span:
    frames = max(1, round((plan.end - plan.start) * DEFAULT))
    at = plan.start
    span = Span(at, at, at, at, HELD_S, DEFAULT, frames, found.heard)
    return _with_sound(span, found)


def _of_picture(plan: ClipPlan, track: VideoTrack, found: _Survey) -> Span:
    packets, times = found.pictures, [packet.at for packet in found.pictures]
    rate = output_rate(track.fps, track.vfr, times)
    half = float(1 / rate) / 2
    if not times or times[0] >= plan.end:
        raise MediaDamaged(_NOTHING)
    first = max((time for time in times if time <= plan.start + half), default=times[0])
    start = first - round((first - plan.start) * rate) / float(rate)  # frames fall on whole steps
    last = max(packet.at + (packet.lasts or 2 * half) for packet in packets)
    held = _held(times, track.vfr)
    if track.end is not None and plan.end <= track.end + 2 * half:  # other pictures follow
        held = max(held, plan.end - last)
    end = plan.end if last + held >= plan.end else last
    frames = round((end - start) * rate)
    if frames < 1:
        raise MediaDamaged(_NOTHING)
    span = Span(found.seek, found.zero, start, first, held, rate, frames, found.heard)
    return _with_sound(span, found)


def _with_sound(span: Span, found: _Survey) -> Span:
    """With what its sound needs and lacks."""
    repair = repair_of(found.channels)
    heard = span.heard
    if heard is not None and repair in ("left", "right"):
        heard = on_both(heard)
    return replace(span, heard=heard, repair=repair, gaps=tuple(_gaps(span, found)))


def _gaps(span: Span, found: _Survey) -> Iterator[str]:
    """What the source lacks of the span, in words."""
    if not found.sounds:
        return
    begins = found.sounds[0].at
    ends = max(packet.at + packet.lasts for packet in found.sounds)
    late = begins - max(span.start, 0.0)
    if found.pictures and (early := span.first - max(span.start, begins)) > LATE_S:
        yield f"sound begins {1000 * early:.0f} ms before the picture, whose first frame is held"
    elif late > LATE_S:
        yield f"sound begins {1000 * late:.0f} ms after the picture: it is silent until then"
    missing = span.start + span.duration - ends
    if missing > EARLY_S:
        yield f"sound ends {1000 * missing:.0f} ms before the picture: it is silent from then on"


def _held(times: Sequence[Seconds], vfr: bool) -> Seconds:
    """For how long the last frame may stand: longer where frames are far apart anyway."""
    widest = max((after - before for before, after in pairwise(times)), default=0.0)
    return min(MOST_HELD_S, max(HELD_S, 2 * widest)) if vfr else HELD_S
