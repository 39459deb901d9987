"""The picture of a planted recording. In: its truth, backgrounds. Out: grey frames of 320x180.

Every frame is drawn from numbers in the truth, so that cuts, flashes and the subject's place are
known to the frame and to the pixel.
"""

from collections.abc import Iterator
from random import Random

import numpy as np
from numpy.typing import NDArray

from load_tests.benchmarks.video.highlights.ground_truth import GroundTruth, PlannedShot

WIDTH, HEIGHT = 320, 180
MARGIN = 16  # of background around the picture, for a camera that shakes
SHAKE = 7  # pixels
SIZE = 38  # of the subject: 0.12 of the width, 0.21 of the height
Frame = NDArray[np.uint8]


def draw_backgrounds(seed: int, stills: Frame) -> Frame:
    """Twelve unlike backgrounds from any number of still pictures (n, h, w): each turned, its
    contrast lowered, brightness one of twelve steps."""
    random = Random(f"backgrounds-{seed}")
    levels = random.sample(range(12), 12)
    made = []
    for level in levels:
        still = stills[random.randrange(len(stills))].astype(np.float32)
        still = still[:: random.choice((1, -1)), :: random.choice((1, -1))]
        made.append(40 + 12 * level + 0.22 * (still - still.mean()))
    return np.clip(np.stack(made), 0, 255).astype(np.uint8)


def draw_frames(truth: GroundTruth, backgrounds: Frame) -> Iterator[Frame]:
    """One frame for each 1 / fps seconds."""
    random = Random(f"frames-{truth.seed}")
    face = _face()
    starts = np.array([shot.start for shot in truth.shots]) - 1e-6
    flashes, shakes = truth.of("flash"), truth.of("shake")
    positions = _positions(truth)
    for number in range(round(truth.duration * truth.fps)):
        time = number / truth.fps
        if any(one.start <= time + 1e-6 < one.end + 1e-6 for one in flashes):
            yield np.full((HEIGHT, WIDTH), 250, np.uint8)
            continue
        shaken = any(one.start <= time < one.end for one in shakes)
        shot = int(np.searchsorted(starts, time, side="right")) - 1
        frame = _background(truth.shots, shot, time, backgrounds, _shift(random, shaken))
        x, y = positions[number]
        if np.isfinite(x):
            left, top = (
                round(x * WIDTH) - face.shape[1] // 2,
                round(y * HEIGHT) - face.shape[0] // 2,
            )
            frame[top : top + face.shape[0], left : left + face.shape[1]] = face
        yield frame


def _positions(truth: GroundTruth) -> NDArray[np.float64]:
    """The subject's centre in each frame, from five places a second; NaN where none is."""
    times = np.arange(round(truth.duration * truth.fps)) / truth.fps
    known = np.array([(one.time, one.x, one.y) for one in truth.subjects])
    if known.size == 0:
        return np.full((times.size, 2), np.nan)
    positions = np.stack([np.interp(times, known[:, 0], known[:, at]) for at in (1, 2)], axis=1)
    starts = np.array([shot.start for shot in truth.shots])
    held = np.searchsorted(known[:, 0], times + 1e-6, side="right") - 1
    following = np.minimum(held + 1, len(known) - 1)
    scene = [np.searchsorted(starts - 1e-6, at, "right") for at in (times, known[:, 0])]
    cut = scene[1][following] != scene[0]  # not across a cut
    positions[cut] = known[np.maximum(held, 0)][cut][:, 1:]
    late = scene[1][np.maximum(held, 0)] != scene[0]
    positions[late] = known[following][late][:, 1:]
    gone = np.any([(times >= one.start) & (times < one.end) for one in truth.of("shake")], axis=0)
    positions[gone] = np.nan
    return positions


def _shift(random: Random, shaken: bool) -> tuple[int, int]:
    if not shaken:
        return 0, 0
    return random.randint(-SHAKE, SHAKE), random.randint(-SHAKE, SHAKE)


def _background(
    shots: tuple[PlannedShot, ...], at: int, time: float, backgrounds: Frame, shift: tuple[int, int]
) -> Frame:
    top, left = MARGIN + shift[0], MARGIN + shift[1]
    view = np.s_[top : top + HEIGHT, left : left + WIDTH]
    shown = backgrounds[shots[at].texture][view]
    since = time - shots[at].start
    if since >= shots[at].dissolve or at == 0:
        return shown.copy()
    share = since / shots[at].dissolve
    old = backgrounds[shots[at - 1].texture][view]
    return (share * shown + (1 - share) * old).astype(np.uint8)


def _face() -> Frame:
    """A bright oval with two eyes and a mouth, the size of the truth's subject."""
    rows, columns = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    face = np.where(rows**2 + columns**2 * 1.3 < 1, 225, 30)
    for row, column, size in ((-0.25, -0.35, 0.14), (-0.25, 0.35, 0.14), (0.45, 0.0, 0.2)):
        face[(rows - row) ** 2 + (columns - column) ** 2 < size**2] = 20
    return face.astype(np.uint8)
