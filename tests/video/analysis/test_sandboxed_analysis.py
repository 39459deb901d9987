"""Recordings in, features out, through the sandbox: the same however many chunks they are cut into,
on the source's timeline, and as much as can be saved of a damaged one.

Each shows a flash and a beep at every even second (tests/media_fixtures).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.media import MediaFeatures, MediaSource
from deployments.sandbox.errors import Cancelled, MediaDamaged
from deployments.video.analysis import (
    analyse_chunk,
    analyze_audio_task,
    chunks,
    load,
    merge,
    save,
    single_chunk,
)

SourceOf = Callable[[str], MediaSource]
Analysed = Callable[[str, int], MediaFeatures]


def saved(features: MediaFeatures, work: Path) -> bytes:
    path = work / "saved.npz"
    save(features, path)
    return path.read_bytes()


def beeps(features: MediaFeatures) -> list[float]:
    """When beeps set in, seconds."""
    assert features.audio is not None
    loud = np.concatenate(([False], features.audio.level > -30))
    onsets = np.flatnonzero(loud[1:] & ~loud[:-1])
    return [features.audio.start + float(hop) * features.audio.hop_s for hop in onsets]


def flashes(features: MediaFeatures) -> list[float]:
    """When flashes set in after the first, seconds."""
    assert features.video is not None
    jumps = np.flatnonzero(np.diff(features.video.luma) > 0.15)
    return [float(features.video.times[frame + 1]) for frame in jumps]


def test_features_are_the_same_from_one_chunk_and_from_many(
    analysed: Analysed, source_of: SourceOf, work: Path
) -> None:
    assert len(chunks(source_of("plain"), work, 3)) == 3
    assert saved(analysed("plain", 3), work) == saved(analysed("plain", 1), work)


def test_every_frame_is_analysed_at_its_own_time(analysed: Analysed) -> None:
    features = analysed("plain", 1)
    video_features = features.video

    assert video_features is not None
    assert video_features.times == pytest.approx(np.arange(180) / 30)
    assert flashes(features) == pytest.approx([2.0, 4.0])
    assert len(video_features.subject_times) == len(video_features.subjects) == 30
    assert np.diff(video_features.subject_times) == pytest.approx(0.2)
    assert not features.partial
    assert video_features.cuts.size == 0


def test_sound_is_analysed_at_its_own_time(analysed: Analysed) -> None:
    features = analysed("plain", 1)
    audio_features = features.audio

    assert audio_features is not None
    assert beeps(features) == pytest.approx([0, 2, 4], abs=0.011)
    assert audio_features.silences[:2] == pytest.approx(
        np.array([[0.05, 2.0], [2.05, 4.0]]), abs=0.021
    )
    assert audio_features.level.max() == pytest.approx(20 * np.log10(0.8 / np.sqrt(2)), abs=0.5)


def test_a_truncated_file_is_analysed_up_to_its_end(analysed: Analysed) -> None:
    features = analysed("truncated", 1)

    assert features.partial
    assert 2 < features.duration < 5
    assert beeps(features) == pytest.approx([0, 2], abs=0.011)
    assert flashes(features) == pytest.approx([2.0])


def test_a_recording_without_pictures_has_no_chunks(
    analysed: Analysed, source_of: SourceOf, work: Path
) -> None:
    features = analysed("audio_only", 1)

    assert chunks(source_of("audio_only"), work, 4) == ()
    assert features.video is None
    assert beeps(features) == pytest.approx([0, 2, 4], abs=0.011)
    with pytest.raises(ValueError, match="pictures"):
        analyse_chunk(source_of("audio_only"), single_chunk(), work)


def test_keyframes_alone_are_fewer_and_of_another_version(
    analysed: Analysed, source_of: SourceOf, work: Path
) -> None:
    seen = [analyse_chunk(source_of("plain"), single_chunk("fast"), work)]
    features = merge(source_of("plain").info, seen, None)

    assert features.video is not None
    assert features.video.times == pytest.approx([0, 1.6, 3.2, 4.8])
    assert features.version != analysed("plain", 1).version


def test_saved_features_are_loaded_unchanged(analysed: Analysed, work: Path) -> None:
    path = work / "features.npz"
    save(analysed("plain", 1), path)
    assert saved(load(path), work) == path.read_bytes()


def test_nothing_is_left_in_the_folder(analysed: Analysed, work: Path) -> None:
    analysed("plain", 1)
    assert not [path for path in work.iterdir() if path.name.startswith(("source-", "measures-"))]


def test_a_cancelled_analysis_stops(source_of: SourceOf, work: Path) -> None:
    with pytest.raises(Cancelled):
        analyse_chunk(source_of("plain"), single_chunk(), work, lambda: True)
    with pytest.raises(Cancelled):
        analyze_audio_task(source_of("plain"), work, lambda: True)


def test_neither_pictures_nor_sound_is_refused(source_of: SourceOf) -> None:
    with pytest.raises(MediaDamaged):
        merge(source_of("plain").info, [], None)
