"""Crop positions: a Framing and a picture in, segments of frames out.

Times become frame numbers here, so that a jump falls on the frame of the cut. Moving crops become
commands for ffmpeg's `sendcmd`, one for each frame in which the crop moves.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from deployments.contracts.clips import CropKeyframe, Framing
from deployments.contracts.media import Seconds
from deployments.video.render.rectangles import corner, crop_size

CENTRE = 0.5
Position = tuple[float, float]


@dataclass(frozen=True, slots=True)
class CropSegment:
    """Frames `first` to `last` (exclusive) of the clip. `fit`: the whole picture is shown.
    Otherwise `positions` are (frame, x, y) wherever the crop's left upper corner changes, in pixels
    of the stored picture, with frames counted from the segment's first, which is always included.
    """

    first: int
    last: int
    fit: bool
    positions: tuple[tuple[int, int, int], ...] = ()


def crop_segments(
    framing: Framing,
    start: Seconds,
    rate: Fraction,
    frames: int,
    pixels: tuple[int, int],
    step: int = 1,
) -> tuple[CropSegment, ...]:
    """How `framing` shows a clip of `frames` frames whose first is at `start` (seconds of the
    source). `pixels`: width and height of the stored picture; the crop's corner is on multiples of
    `step` of them."""
    if framing.fit:
        return (CropSegment(0, frames, True),)
    path = _crop_path(framing, start, rate)
    size = crop_size(pixels, (framing.width, framing.height))

    def position_of(frame: int) -> tuple[int, int]:
        return corner(pixels, size, path(frame), step)

    segments = []
    for first, last, fit in _fit_and_crop_parts(framing, start, rate, frames):
        positions = () if fit else tuple(_position_changes(position_of, first, last))
        segments.append(CropSegment(first, last, fit, positions))
    return tuple(segments)


def commands(segment: CropSegment, rate: Fraction, target: str) -> str:
    """The `sendcmd` text that moves filter `target` (a crop) after its first position; "" for a
    crop that stands still. Each command is due half a frame early, so that rounding cannot delay
    it."""
    due = ((float((frame - Fraction(1, 2)) / rate), x, y) for frame, x, y in segment.positions[1:])
    return "\n".join(f"{time:.6f} {target} x {x}, {target} y {y};" for time, x, y in due)


def _fit_and_crop_parts(
    framing: Framing, start: Seconds, rate: Fraction, frames: int
) -> Iterator[tuple[int, int, bool]]:
    position = 0
    for begin, end in sorted(framing.fits):
        first = max(position, min(frames, _frame_number(begin, start, rate)))
        last = min(frames, _frame_number(end, start, rate))
        if last <= first:
            continue
        if first > position:
            yield position, first, False
        yield first, last, True
        position = last
    if position < frames:
        yield position, frames, False


def _frame_number(time: Seconds, start: Seconds, rate: Fraction) -> int:
    return max(0, round((time - start) * rate))


def _position_changes(
    position_of: Callable[[int], tuple[int, int]], first: int, last: int
) -> Iterator[tuple[int, int, int]]:
    previous = None
    for frame in range(first, last):
        position = position_of(frame)
        if position != previous:
            yield frame - first, *position
        previous = position


def _crop_path(framing: Framing, start: Seconds, rate: Fraction) -> Callable[[int], Position]:
    """The crop's position in frame n: linear between the keyframes around it."""
    keyframes = framing.keys or (_central_keyframe(framing, start),)
    frame_numbers = [_frame_of_key(key, start, rate) for key in keyframes]

    def position_of(frame: int) -> Position:
        after = bisect_right(frame_numbers, frame)
        if after == 0:
            return _clamp(framing, keyframes[0].x, keyframes[0].y)
        previous = keyframes[after - 1]
        if after == len(keyframes) or keyframes[after].jump:
            return _clamp(framing, previous.x, previous.y)
        first, last = frame_numbers[after - 1], frame_numbers[after]
        share, following = (frame - first) / (last - first), keyframes[after]
        x = previous.x + share * (following.x - previous.x)
        y = previous.y + share * (following.y - previous.y)
        return _clamp(framing, x, y)

    return position_of


def _frame_of_key(key: CropKeyframe, start: Seconds, rate: Fraction) -> float:
    """Jumps fall on whole frames; a smooth path keeps its own times."""
    number = float((key.time - start) * rate)
    return round(number) if key.jump else number


def _central_keyframe(framing: Framing, start: Seconds) -> CropKeyframe:
    return CropKeyframe(start, CENTRE - framing.width / 2, CENTRE - framing.height / 2)


def _clamp(framing: Framing, x: float, y: float) -> Position:
    return (
        min(max(x, 0.0), max(0.0, 1 - framing.width)),
        min(max(y, 0.0), max(0.0, 1 - framing.height)),
    )
