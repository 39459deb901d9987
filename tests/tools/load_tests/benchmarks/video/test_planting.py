"""What a planted recording promises before a sound or frame of it is made."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from load_tests.benchmarks.video.highlights.audio import RATE, synthesize_audio
from load_tests.benchmarks.video.highlights.frames import (
    HEIGHT,
    WIDTH,
    draw_backgrounds,
    draw_frames,
)
from load_tests.benchmarks.video.highlights.ground_truth import (
    DECOYS,
    KINDS,
    GroundTruth,
    load,
    save,
)
from load_tests.benchmarks.video.highlights.planting import plant

SEEDS = range(200, 212)


@pytest.fixture(scope="module")
def plans() -> list[GroundTruth]:
    return [plant(seed) for seed in SEEDS]


def test_a_seed_gives_one_recording(plans: list[GroundTruth]) -> None:
    assert plant(SEEDS[0]) == plans[0]
    assert len({(plan.duration, plan.words) for plan in plans}) == len(plans)


def test_recordings_last_5_to_30_minutes(plans: list[GroundTruth]) -> None:
    assert all(300 <= plan.duration <= 1800 for plan in plans)


def test_every_recording_has_moments_and_every_decoy(plans: list[GroundTruth]) -> None:
    for plan in plans:
        assert len(plan.planted) >= 3
        assert {decoy.kind for decoy in plan.decoys} == set(DECOYS)


def test_kinds_are_mixed_and_intensities_graded(plans: list[GroundTruth]) -> None:
    moments = [moment for plan in plans for moment in plan.planted]
    assert {part.kind for moment in moments for part in moment.ingredients} == set(KINDS)
    assert all(2 <= len(moment.ingredients) <= 4 for moment in moments)
    assert all(len({m.intensity for m in plan.planted}) == len(plan.planted) for plan in plans)
    assert all(0 < moment.intensity < 1.2 for moment in moments)


def test_moments_and_long_decoys_are_apart(plans: list[GroundTruth]) -> None:
    for plan in plans:
        spans = [(one.start, one.end) for one in plan.planted]
        spans += [(d.start, d.end) for d in plan.decoys if d.end - d.start > 1]
        assert all(b[0] - a[1] >= 13.9 for a, b in pairwise(sorted(spans)))


def test_moments_begin_and_end_with_sentences_or_hold_no_words(plans: list[GroundTruth]) -> None:
    for plan in plans:
        starts, ends = ({round(value, 3) for value in side} for side in zip(
            *((word.start, word.end) for word in plan.words), strict=True
        ))  # fmt: skip
        for moment in plan.planted:
            inside = [w for w in plan.words if moment.start <= w.start < moment.end]
            assert bool(inside) is moment.spoken
            if moment.spoken:
                assert moment.start in starts
                assert moment.end in ends


def test_words_are_in_order_and_apart(plans: list[GroundTruth]) -> None:
    assert all(a.end <= b.start + 1e-6 for plan in plans for a, b in pairwise(plan.words))


def test_truth_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    plan = plant(SEEDS[1])
    save(plan, path)
    assert load(path) == plan


def test_sound_is_silent_where_it_says_so() -> None:
    plan = plant(SEEDS[2], 300)
    sound, silences = synthesize_audio(plan)
    assert sound.size == 300 * RATE
    assert silences
    assert np.abs(sound).max() <= 1
    quiet = [sound[round(a * RATE) : round(b * RATE)] for a, b in silences]
    assert all(np.sqrt((part**2).mean()) < 0.01 for part in quiet)


def test_every_hard_cut_and_flash_is_on_its_frame() -> None:
    plan = plant(SEEDS[3], 300)
    noise = np.random.default_rng(0).integers(0, 255, (3, HEIGHT + 32, WIDTH + 32), np.uint8)
    last, jumps = None, []
    for number, frame in enumerate(draw_frames(plan, draw_backgrounds(1, noise))):
        now = frame.astype(np.int16)
        if last is not None and abs(int(now.mean()) - int(last.mean())) >= 8:
            jumps.append(number / plan.fps)
        last = now
    near = [any(abs(jump - cut) < 1e-3 for jump in jumps) for cut in plan.cuts]
    assert sum(near) >= 0.9 * len(near)
    assert all(any(0 <= j - f.start <= 0.2 for j in jumps) for f in plan.of("flash"))
