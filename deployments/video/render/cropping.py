"""Where the crop is in each frame of a clip: a Framing and a picture in, stretches of frames out.

Times become frame numbers here, so that a jump falls on the very frame of the cut. Moving crops
become commands for ffmpeg's `sendcmd`, one for each frame in which the crop is elsewhere.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from deployments.contracts.clips import CropKeyframe, Framing
from deployments.contracts.media import Seconds
from deployments.video.render.rectangles import corner, crop_size

CENTRE = 0.5
Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class CropSegment:
    """Frames `first` to `last` (not included) of the clip. `fit`: the whole picture is shown.
    Otherwise `places` has the crop's left upper corner (pixels of the stored picture) where it
    changes: (frame, x, y) with frames counted from the stretch's first, which always is there."""

    first: int
    last: int
    fit: bool
    places: tuple[tuple[int, int, int], ...] = ()


def stretches(
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
    path = _path(framing, start, rate)
    size = crop_size(pixels, (framing.width, framing.height))

    def where(frame: int) -> tuple[int, int]:
        return corner(pixels, size, path(frame), step)

    found = []
    for first, last, fit in _parts(framing, start, rate, frames):
        places = () if fit else tuple(_changes(where, first, last))
        found.append(CropSegment(first, last, fit, places))
    return tuple(found)


def commands(stretch: CropSegment, rate: Fraction, target: str) -> str:
    """The `sendcmd` text that moves filter `target` (a crop) after its first place; "" for a crop
    that stands still. Each command is due half a frame early, so that rounding cannot delay it."""
    due = ((float((frame - Fraction(1, 2)) / rate), x, y) for frame, x, y in stretch.places[1:])
    return "\n".join(f"{at:.6f} {target} x {x}, {target} y {y};" for at, x, y in due)


def _parts(
    framing: Framing, start: Seconds, rate: Fraction, frames: int
) -> Iterator[tuple[int, int, bool]]:
    done = 0
    for begin, end in sorted(framing.fits):
        first = max(done, min(frames, _frame(begin, start, rate)))
        last = min(frames, _frame(end, start, rate))
        if last <= first:
            continue
        if first > done:
            yield done, first, False
        yield first, last, True
        done = last
    if done < frames:
        yield done, frames, False


def _frame(time: Seconds, start: Seconds, rate: Fraction) -> int:
    return max(0, round((time - start) * rate))


def _changes(
    where: Callable[[int], tuple[int, int]], first: int, last: int
) -> Iterator[tuple[int, int, int]]:
    before = None
    for frame in range(first, last):
        place = where(frame)
        if place != before:
            yield frame - first, *place
        before = place


def _path(framing: Framing, start: Seconds, rate: Fraction) -> Callable[[int], Place]:
    """Where the crop is in frame n: the straight line between the keys around it."""
    keys = framing.keys or (_central(framing, start),)
    numbers = [_frame_of_key(key, start, rate) for key in keys]

    def where(frame: int) -> Place:
        after = bisect_right(numbers, frame)
        if after == 0:
            return _inside(framing, keys[0].x, keys[0].y)
        before = keys[after - 1]
        if after == len(keys) or keys[after].jump:
            return _inside(framing, before.x, before.y)
        share = (frame - numbers[after - 1]) / (numbers[after] - numbers[after - 1])
        then = keys[after]
        x, y = before.x + share * (then.x - before.x), before.y + share * (then.y - before.y)
        return _inside(framing, x, y)

    return where


def _frame_of_key(key: CropKeyframe, start: Seconds, rate: Fraction) -> float:
    """Jumps fall on whole frames; a smooth path keeps its own times."""
    number = float((key.time - start) * rate)
    return round(number) if key.jump else number


def _central(framing: Framing, start: Seconds) -> CropKeyframe:
    return CropKeyframe(start, CENTRE - framing.width / 2, CENTRE - framing.height / 2)


def _inside(framing: Framing, x: float, y: float) -> Place:
    return (
        min(max(x, 0.0), max(0.0, 1 - framing.width)),
        min(max(y, 0.0), max(0.0, 1 - framing.height)),
    )
