"""Features as files: the same come back, and what is not whole is refused."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.media import AudioFeatures, MediaFeatures, VideoFeatures
from deployments.video import analysis
from deployments.video.analysis import load, save

SIGHT = VideoFeatures(
    times=np.arange(6) / 25,
    luma=np.linspace(0, 1, 6, dtype=np.float32),
    motion=np.zeros(6, np.float32),
    change=np.ones(6, np.float32),
    cuts=np.array([0.12]),
    subject_times=np.array([0.0, 0.2]),
    subjects=np.array([[np.nan] * 5, [0.5] * 5], np.float32),
    shown=(0.0, 0.24),
)
HEARING = AudioFeatures(
    start=0.25,
    hop_s=0.01,
    level=np.full(9, -20, np.float32),
    speech=np.zeros(9, np.float32),
    novelty=np.zeros(9, np.float32),
    silences=np.array([[0.3, 0.4]]),
)
FEATURES = MediaFeatures(1, 0.34, True, SIGHT, HEARING)


@pytest.mark.parametrize(
    "features",
    [
        pytest.param(FEATURES, id="all"),
        pytest.param(replace(FEATURES, video=None), id="sound alone"),
        pytest.param(replace(FEATURES, video=replace(SIGHT, shown=None)), id="shown not known"),
        pytest.param(replace(FEATURES, audio=None, partial=False), id="pictures alone"),
    ],
)
def test_what_was_saved_comes_back(features: MediaFeatures, tmp_path: Path) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    save(features, first)
    found = load(first)
    save(found, second)

    assert first.read_bytes() == second.read_bytes()
    assert (found.version, found.duration, found.partial) == (
        features.version,
        features.duration,
        features.partial,
    )
    assert (found.video is None, found.audio is None) == (
        features.video is None,
        features.audio is None,
    )
    if found.video and features.video:
        np.testing.assert_array_equal(found.video.subjects, features.video.subjects)
    if found.audio and features.audio:
        assert found.audio.start == 0.25


def spoilt(path: Path, name: str, array: object) -> None:
    """`path` with one of its arrays replaced."""
    with np.load(path) as found:
        arrays = dict(found)
    np.savez(path, **{**arrays, name: np.asarray(array)})


@pytest.mark.parametrize(
    ("name", "array"),
    [
        pytest.param("luma", np.zeros(5, np.float32), id="lengths that differ"),
        pytest.param("luma", np.zeros(6, np.float64), id="another type"),
        pytest.param("subjects", np.zeros((2, 4), np.float32), id="another shape"),
        pytest.param("times", np.zeros(6), id="times that do not rise"),
        pytest.param("facts", np.full(8, np.nan), id="facts that are none"),
    ],
)
def test_other_contents_are_refused(name: str, array: object, tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    save(FEATURES, path)
    spoilt(path, name, array)
    with pytest.raises(ValueError, match=r"."):
        load(path)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    np.savez(path, allow_pickle=True, facts=np.array([object()], dtype=object))
    with pytest.raises(ValueError, match="expected"):
        load(path)


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_cut_off_file_is_refused(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    save(FEATURES, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="does not hold"):
        load(path)


def test_a_missing_file_and_a_link_are_refused(tmp_path: Path) -> None:
    save(FEATURES, tmp_path / "real.npz")
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    for name in ("none.npz", "link.npz"):
        with pytest.raises(ValueError, match="does not hold"):
            load(tmp_path / name)


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    with zipfile.ZipFile(path, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"
        header = header.ljust(117) + b"\n"
        blob = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        archive.writestr("facts.npy", blob + bytes(64))
    with pytest.raises(ValueError, match=r"."):
        load(path)


def test_every_public_name_of_the_analysis_package_loads_from_its_submodule() -> None:
    """The names are text in a table, which a renaming tool does not see."""
    for name in analysis.__all__:
        assert getattr(analysis, name) is not None
