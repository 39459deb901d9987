"""A recording's sound becomes samples of 16 kHz, at the times of the source."""

from pathlib import Path

import numpy as np
import pytest

from deployments.sandbox.errors import MediaRefused, NoMedia
from deployments.speech.decode_worker import decode, mixed
from tests.media_fixtures.recordings import make

RATE = 16_000


def request(name: str, **changes: object) -> dict[str, object]:
    return {"name": name, "stream": None, "start": 0.0, "end": 6.0, "out": "samples", **changes}


def beeps(samples: np.ndarray) -> list[float]:
    """When each beep begins."""
    loud = np.abs(samples) > 0.2
    return [
        round(at / RATE, 2) for at in np.flatnonzero(loud) if not loud[max(0, at - 800) : at].any()
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def decoded() -> np.ndarray:
    return np.fromfile("samples", "<i2").astype(np.float32) / 32768


def test_samples_are_at_the_times_of_the_source(folder: Path) -> None:
    make("surround", folder)

    whole = decode(request("surround.mp4"))
    assert whole["start"] == pytest.approx(0, abs=0.03)
    assert whole["samples"] == pytest.approx(6 * RATE, abs=800)
    assert beeps(decoded()) == pytest.approx([0.0, 2.0, 4.0], abs=0.05)

    part = decode(request("surround.mp4", start=1.5, end=4.5))
    assert part["start"] == 1.5
    assert part["samples"] == 3 * RATE
    assert beeps(decoded()) == pytest.approx([0.5, 2.5], abs=0.05)


@pytest.mark.parametrize("stream", [0, 7])
def test_only_sound_is_decoded(folder: Path, stream: int) -> None:
    make("surround", folder)

    with pytest.raises(NoMedia):
        decode(request("surround.mp4", stream=stream))


def test_what_is_no_recording_is_refused(folder: Path) -> None:
    (folder / "text").write_text("#!/bin/sh\n")

    with pytest.raises(MediaRefused):
        decode(request("text"))


def test_channels_that_cancel_each_other_are_heard_by_one() -> None:
    voice = np.sin(np.arange(1600) / 5).astype(np.float32)

    assert np.array_equal(mixed(np.stack([voice, -voice])), voice)
    assert np.allclose(mixed(np.stack([voice, voice])), voice)
    assert np.allclose(mixed(np.stack([voice, 0 * voice])), voice / 2)
