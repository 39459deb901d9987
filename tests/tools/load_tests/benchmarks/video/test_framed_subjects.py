"""How a framing holds a planted subject is told right for paths made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from deployments.contracts.clips import CropKeyframe, Framing
from load_tests.benchmarks.video.highlights.framing_quality import (
    combine,
    frame_recording,
    measure_framing,
    track_positions,
)
from load_tests.benchmarks.video.highlights.ground_truth import (
    GroundTruth,
    PlannedShot,
    PlannedSubject,
)

WIDTH = 0.3
SPAN = (0.0, 10.0)


def truth(*where: tuple[float, float], shots: tuple[float, ...] = (0.0,)) -> GroundTruth:
    """A recording of 10 s at 10 frames a second; the subject is at x from each time on."""
    times = np.arange(0, 10, 0.2)
    xs = [next(x for at, x in reversed(where) if time >= at - 1e-9) for time in times]
    return GroundTruth(
        seed=0,
        duration=10.0,
        fps=10,
        planted=(),
        decoys=(),
        words=(),
        keywords=(),
        shots=tuple(PlannedShot(start, number) for number, start in enumerate(shots)),
        dead_air=(),
        subjects=tuple(
            PlannedSubject(float(t), x, 0.5, 0.1, 0.2) for t, x in zip(times, xs, strict=True)
        ),
    )


def crop(*keys: CropKeyframe, fits: tuple[tuple[float, float], ...] = ()) -> Framing:
    return Framing("9:16", False, WIDTH, 1.0, keys, fits)


def test_a_crop_moves_straight_between_keys_and_at_once_where_it_jumps() -> None:
    framing = crop(
        CropKeyframe(0, 0.0, 0), CropKeyframe(2, 0.4, 0), CropKeyframe(3, 0.6, 0, jump=True)
    )
    times = np.array([-1.0, 0.0, 1.0, 2.5, 3.0, 9.0])
    assert track_positions(framing, times)[:, 0] == pytest.approx([0, 0, 0.2, 0.4, 0.6, 0.6])


def test_a_subject_is_inside_only_with_all_of_its_box() -> None:
    framing = crop(CropKeyframe(0, 0.2, 0))
    there = truth((0, 0.25), (2, 0.45), (4, 0.46), (6, 0.24), (8, 0.35))
    found = measure_framing(there, framing, SPAN)
    assert (found.seen, found.inside, found.whole) == (50, 30, 0)


def test_one_shown_whole_is_inside_wherever_it_is() -> None:
    away = truth((0, 0.9))
    assert measure_framing(away, crop(CropKeyframe(0, 0, 0), fits=((2.0, 4.0),)), SPAN).inside == 10
    assert measure_framing(away, Framing("9:16", fit=True), SPAN).inside == 50


def test_moments_outside_the_stretch_do_not_count() -> None:
    found = measure_framing(truth((0, 0.1), (5, 0.9)), crop(CropKeyframe(5, 0.7, 0)), (5.0, 8.0))
    assert (found.seen, found.inside) == (15, 15)


def test_travel_counts_where_the_subject_stands_between_two_cuts() -> None:
    moves = crop(CropKeyframe(0, 0.1, 0), CropKeyframe(5, 0.1, 0), CropKeyframe(9, 0.2, 0))
    there = truth((0, 0.2), (5, 0.25), shots=(0.0, 5.0))
    assert measure_framing(there, moves, SPAN).drifts == pytest.approx((0.0, 0.1 * 320))
    assert measure_framing(
        replace(there, shots=there.shots[:1]), moves, SPAN
    ).drifts == pytest.approx((32.0,))
    assert measure_framing(truth((0, 0.2), (5, 0.3)), moves, SPAN).drifts == ()


def test_travel_does_not_count_while_one_shot_dissolves_into_another() -> None:
    there = replace(truth((0, 0.2)), shots=(PlannedShot(0.0, 0), PlannedShot(5.0, 1, dissolve=0.8)))
    moves = crop(CropKeyframe(0, 0.1, 0), CropKeyframe(9, 0.2, 0))
    assert measure_framing(there, moves, SPAN).drifts == ()
    assert len(measure_framing(there, moves, (6.0, 10.0)).drifts) == 1


def test_a_jump_at_the_cut_is_no_travel() -> None:
    there = truth((0, 0.2), (5, 0.8), shots=(0.0, 5.0))
    jumps = crop(CropKeyframe(0, 0.1, 0), CropKeyframe(5, 0.7, 0, jump=True))
    found = measure_framing(there, jumps, SPAN)
    assert found.drifts == (0, 0)
    assert (found.speed, found.across, found.inside) == (0, 0, 50)


def test_the_fastest_pan_is_told_in_widths_a_second() -> None:
    framing = crop(
        CropKeyframe(0, 0, 0),
        CropKeyframe(2, 0.2, 0),
        CropKeyframe(3, 0.6, 0),
        CropKeyframe(4, 0.6, 0),
    )
    assert measure_framing(truth((0, 0.2)), framing, SPAN).speed == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("begins", "ends", "pans"), [(4.0, 6.0, 1), (4.0, 5.0, 0), (5.0, 6.0, 0), (5.1, 6.0, 0)]
)
def test_a_pan_over_a_hard_cut_is_seen(begins: float, ends: float, pans: int) -> None:
    keys = CropKeyframe(0, 0.1, 0), CropKeyframe(begins, 0.1, 0), CropKeyframe(ends, 0.5, 0)
    there = truth((0, 0.2), shots=(0.0, 5.0))
    assert measure_framing(there, crop(*keys), SPAN).across == pans


def test_a_dissolve_is_no_hard_cut() -> None:
    keys = CropKeyframe(0, 0.1, 0), CropKeyframe(4, 0.1, 0), CropKeyframe(6, 0.5, 0)
    there = replace(truth((0, 0.2)), shots=(PlannedShot(0.0, 0), PlannedShot(5.0, 1, dissolve=0.8)))
    assert measure_framing(there, crop(*keys), SPAN).across == 0


def test_all_stretches_are_counted_together() -> None:
    there = truth((0, 0.25))
    ones = [measure_framing(there, crop(CropKeyframe(0, x, 0)), SPAN) for x in (0.2, 0.5)]
    assert combine(ones).seen == 100
    assert combine(ones).inside == 50
    assert combine([]).seen == 0


def test_without_sight_the_crop_is_in_the_middle() -> None:
    assert frame_recording(truth((0, 0.5)), None, [SPAN], "follow").inside == 50
    assert frame_recording(truth((0, 0.2)), None, [SPAN], "follow").inside == 0
    assert frame_recording(truth((0, 0.2)), None, [SPAN], "auto").whole == 50
