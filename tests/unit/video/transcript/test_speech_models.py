"""What is said of the speech model where there is none, and what becomes of what one says."""

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.contracts.media import AudioTrack, MediaInfo, MediaSource
from deployments.video.transcript import Whisper, speech_ability
from deployments.video.transcript.asr_worker import _decode_track, _segments_on_timeline
from tests.media_fixtures.recordings import make

INSTALLED = find_spec("faster_whisper") is not None


@pytest.mark.skipif(INSTALLED, reason="the extra 'speech' is installed")
def test_without_the_extra_the_reason_says_what_to_install() -> None:
    ability = speech_ability("small")
    assert not ability.available
    assert "extra 'speech'" in ability.detail


@pytest.mark.skipif(not INSTALLED, reason="the extra 'speech' is not installed")
@pytest.mark.parametrize(("model", "reason"), [(None, "no speech model"), ("/none", "/none")])
def test_with_the_extra_a_model_is_needed(model: str | None, reason: str) -> None:
    ability = speech_ability(model)
    assert not ability.available
    assert reason in ability.detail


def source(*audio: AudioTrack) -> MediaSource:
    return MediaSource(Path("none"), MediaInfo("wav", 1.0, 1, None, audio), "")


def test_a_recording_without_sound_says_nothing(tmp_path: Path) -> None:
    found = Whisper("small").transcribe(source(), tmp_path)
    assert (found.words, found.why) == ((), "the recording has no sound")


def test_a_model_that_is_not_here_gives_an_empty_transcript_that_says_why(tmp_path: Path) -> None:
    found = Whisper("no-such-model").transcribe(source(AudioTrack(0, "aac", 1, 8000)), tmp_path)
    assert found.words == ()
    assert found.why


def test_what_a_model_says_is_put_on_the_sources_timeline() -> None:
    word = SimpleNamespace(word=" hi", start=0.5, end=0.8)
    segment = SimpleNamespace(start=0.5, end=0.8, text=" hi", words=[word])

    (said,) = _segments_on_timeline([segment], 2.0, 10.0)

    assert said["words"] == [{"word": " hi", "start": 2.5, "end": 2.8}]
    assert (said["start"], said["end"]) == (2.5, 2.8)


def test_a_model_hears_16_khz_mono(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("surround", tmp_path)
    monkeypatch.chdir(tmp_path)

    sound, start = _decode_track("surround.mp4", 1, 6.0)

    assert sound.shape == pytest.approx((96_000,), abs=800)
    assert start == pytest.approx(0, abs=0.03)
    assert 0.1 < float(abs(sound).max()) <= 1.0
