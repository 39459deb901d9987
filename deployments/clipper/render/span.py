"""Finds what of a source a clip really gets: one run that demuxes the span and listens to it.

In: a plan's start and end. Out: where to seek, which frame comes first, how many there are at which
rate, and how loud the span is. Nothing is decoded but sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from deployments.clipper.failures import MediaDamaged
from deployments.clipper.render.loudness import Loudness, parse_loudness
from deployments.clipper.render.packets import Packet, read_packets
from deployments.clipper.render.rates import DEFAULT, output_rate
from deployments.clipper.render.running import Workspace
from deployments.clipper.render.sound import METER, evened, text
from deployments.clipper.sandbox.inputs import ffmpeg_input
from deployments.contracts.clips import ClipPlan
from deployments.contracts.media import MediaInfo, Seconds, VideoTrack

BEYOND_S = 1.0
EARLIER_S = (0.0, 3.0, 15.0)
MOST_HELD_S = 10.0
_NOTHING = "The recording has no picture in the clip's span."
_JUMPING = ("mpegts", "mpeg", "ogg")
HELD_S = 0.5  # a picture that ends a little before its sound is held for that long


@dataclass(frozen=True, slots=True)
class Span:
    """`seek`: where to seek in the source, after which ffmpeg's time 0 is at `zero`. `start`: when
    the clip begins, `first`: when its first frame is shown (earlier, if that was on show already).
    All in seconds of the source. The clip has `frames` at `rate`; the last may be held for `held`
    seconds. `heard` is None without sound.
    """

    seek: Seconds
    zero: Seconds
    start: Seconds
    first: Seconds
    held: Seconds
    rate: Fraction
    frames: int
    heard: Loudness | None

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


def find_span(plan: ClipPlan, info: MediaInfo, work: Workspace) -> Span:
    """Seeks earlier where a container's index led behind the wanted frame (MPEG-TS does that).

    Raises MediaDamaged: there is nothing in the span.
    """
    track = info.video
    if track is None:
        return _of_sound(plan, _survey(plan, info, plan.start, work)[1])
    for earlier in (*EARLIER_S, plan.start):
        seek = max(0.0, plan.start - earlier)
        packets, heard = _survey(plan, info, seek, work)
        if seek == 0 or any(packet.key and packet.at <= plan.start for packet in packets):
            break
    return _of_picture(plan, track, (seek, _zero(info, seek)), packets, heard)


def _survey(
    plan: ClipPlan, info: MediaInfo, seek: Seconds, work: Workspace
) -> tuple[tuple[Packet, ...], Loudness | None]:
    """Packets of the picture by time in the source, and the sound of the plan's span."""
    listing = work.folder / f"c{plan.index}-packets.txt"
    argv = work.ffmpeg("-v", "info", "-nostats", "-ss", f"{seek:.6f}")
    argv += ["-t", f"{plan.end - seek + BEYOND_S:.6f}", *ffmpeg_input(work.source)]
    if info.video is not None:
        argv += ["-map", f"0:{info.video.index}", "-c", "copy", "-f", "framecrc", listing.name]
    if info.audio:
        lead, length = plan.start - seek, plan.end - plan.start
        chain = text((*evened(lead, length, late=True), METER))
        sound = f"[0:{info.audio[0].index}]{chain}[a]"
        argv += ["-filter_complex", sound, "-map", "[a]", "-f", "null", "-"]
    try:
        log = work.run(argv).err
        packets = read_packets(listing)
    finally:
        listing.unlink(missing_ok=True)
    zero = _zero(info, seek)
    heard = parse_loudness(log) if info.audio else None
    return tuple(replace(packet, at=packet.at + zero) for packet in packets), heard


def _zero(info: MediaInfo, seek: Seconds) -> Seconds:
    """The time of the source that ffmpeg calls 0. From the beginning of a container whose clock may
    jump, that is where the earliest of the streams in use starts."""
    if seek > 0 or info.container not in _JUMPING or info.video is None:
        return seek
    return max(0.0, min((info.video.start, *(track.start for track in info.audio[:1]))))


def _of_sound(plan: ClipPlan, heard: Loudness | None) -> Span:
    frames = max(1, round((plan.end - plan.start) * DEFAULT))
    at = plan.start
    return Span(at, at, at, at, HELD_S, DEFAULT, frames, heard)


def _of_picture(
    plan: ClipPlan,
    track: VideoTrack,
    sought: tuple[Seconds, Seconds],
    packets: Sequence[Packet],
    heard: Loudness | None,
) -> Span:
    times = [packet.at for packet in packets]
    rate = output_rate(track.fps, track.vfr, times)
    half = float(1 / rate) / 2
    if not times or times[0] >= plan.end:
        raise MediaDamaged(_NOTHING)
    first = max((time for time in times if time <= plan.start + half), default=times[0])
    start = first - round((first - plan.start) * rate) / float(rate)  # frames fall on whole steps
    held = _held(times, track.vfr)
    last = max(packet.at + (packet.lasts or 2 * half) for packet in packets)
    end = plan.end if last + held >= plan.end else last
    frames = round((end - start) * rate)
    if frames < 1:
        raise MediaDamaged(_NOTHING)
    return Span(*sought, start, first, held, rate, frames, heard)


def _held(times: Sequence[Seconds], vfr: bool) -> Seconds:
    """For how long the last frame may stand: longer where frames are far apart anyway."""
    widest = max((after - before for before, after in pairwise(times)), default=0.0)
    return min(MOST_HELD_S, max(HELD_S, 2 * widest)) if vfr else HELD_S
