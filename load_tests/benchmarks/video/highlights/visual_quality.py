"""Q6 and Q8: what is seen in planted recordings, and framed. In: samples. Out: figures.

Hard cuts beside other detectors' in the same files; crops of 9:16 beside one in the middle, over
the planted moments and as many stretches spread evenly.
"""

from collections.abc import Sequence
from statistics import fmean

from deployments.video.framing import TOP_SPEED
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.video.highlights import baselines, scorer
from load_tests.benchmarks.video.highlights.framing_quality import (
    FramingQuality,
    Mode,
    combine,
    frame_recording,
)
from load_tests.benchmarks.video.highlights.metrics import Span
from load_tests.benchmarks.video.highlights.samples import PlantedSample

HELD = 0.97
MODES: tuple[Mode, ...] = ("auto", "follow")


def measure_cuts(samples: Sequence[PlantedSample]) -> list[Measurement]:
    """As good as the best of the others, where all files were given to them."""
    measurements = []
    for frames in (0, 1):
        others = _others(samples, frames)
        ours = fmean(scorer.cut_f1(one.truth, one.features, frames) for one in samples)
        about = f"hard cut F1, {frames} frame{'s' * (frames != 1)}"
        measurements.append(
            Measurement("Q6", about, ours, at_least=max(others.values(), default=None))
        )
        measurements += [
            Measurement("Q6", f"{about}: {name}", value) for name, value in others.items()
        ]
    return measurements


def measure_framings(samples: Sequence[PlantedSample]) -> list[Measurement]:
    middle = combine(frame_recording(one.truth, None, _all_spans(one), "follow") for one in samples)
    measurements = [
        Measurement("Q8", "subject inside, crop in the middle", _share(middle.inside, middle))
    ]
    for mode in MODES:
        measurements += _framed(samples, mode)
    return measurements


def _framed(samples: Sequence[PlantedSample], mode: Mode) -> list[Measurement]:
    moments = combine(
        frame_recording(s.truth, s.features.video, _moments(s), mode) for s in samples
    )
    spread = combine(frame_recording(s.truth, s.features.video, _spread(s), mode) for s in samples)
    both = combine((moments, spread))
    moved = float(max(both.drifts, default=0.0))
    still = f"{mode}: crop's travel, {len(both.drifts)} still subjects"
    extra = [Measurement("Q8", f"{mode}: shown whole", _share(both.whole, both))]
    return [
        Measurement(
            "Q8", f"{mode}: subject inside, moments", _share(moments.inside, moments), "", HELD
        ),
        Measurement(
            "Q8", f"{mode}: subject inside, spread", _share(spread.inside, spread), "", HELD
        ),
        Measurement("Q8", still, moved, "px", at_most=0),
        Measurement("Q8", f"{mode}: fastest pan", both.speed, "widths/s", at_most=TOP_SPEED),
        Measurement("Q8", f"{mode}: pans across a hard cut", both.across, at_most=0),
        *(extra if mode == "auto" else []),
    ]


def _others(samples: Sequence[PlantedSample], frames: int) -> dict[str, float]:
    names = set.intersection(*(set(one.others) for one in samples))
    return {
        name: fmean(scorer.cuts_f1(one.truth, one.others[name], frames) for one in samples)
        for name in sorted(names)
    }


def _share(part: int, held: FramingQuality) -> float:
    return part / held.seen if held.seen else 1.0


def _moments(one: PlantedSample) -> list[Span]:
    return [(moment.start, moment.end) for moment in one.truth.planted]


def _spread(one: PlantedSample) -> list[Span]:
    return [clip.span for clip in baselines.rank_uniform(one.truth.duration, one.options)]


def _all_spans(one: PlantedSample) -> list[Span]:
    return [*_moments(one), *_spread(one)]
