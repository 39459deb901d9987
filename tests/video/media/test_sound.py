"""Loudness, true peak and silences of tones, measured in confined children."""

from dataclasses import replace
from pathlib import Path

import pytest

from deployments.contracts.audio import SoundMeasures
from deployments.contracts.media import MediaLimits
from deployments.media.sound import measure_sound
from deployments.sandbox.errors import NoMedia
from deployments.video.probe.probe import probe
from tests.media_fixtures.infos import picture
from tests.media_fixtures.tones import SILENCES, tone


def measured(file: Path) -> SoundMeasures:
    info = probe(file, file.parent, MediaLimits())
    return measure_sound(file, file.parent, info)


def test_a_tone_is_as_loud_as_it_was_made(tmp_path: Path) -> None:
    found = measured(tone(tmp_path / "tone.wav", 5.0, -23.0, is_broken=False))

    assert found.duration == pytest.approx(5.0, abs=0.01)
    assert found.loudness == pytest.approx(-23.0, abs=0.1)
    assert found.true_peak == pytest.approx(-23.0, abs=0.1)
    assert found.silences == ()
    assert found.speech_share < 0.1


def test_silences_are_where_they_were_planted(tmp_path: Path) -> None:
    found = measured(tone(tmp_path / "tone.wav", 12.0, -23.0))

    assert [(span.start, span.end) for span in found.silences] == [
        (pytest.approx(start, abs=0.05), pytest.approx(end, abs=0.05)) for start, end in SILENCES
    ]


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    found = measured(tone(tmp_path / "still.wav", 4.0, -200.0))

    assert (found.loudness, found.loudness_range, found.true_peak) == (None, None, None)
    assert [(span.start, round(span.end)) for span in found.silences] == [(0.0, 4)]


def test_a_recording_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoMedia):
        measure_sound(tmp_path / "none", tmp_path, replace(picture(2.0), audio=()))
