"""Transcripts read in a confined child: the same words, and a refusal whatever happens to it."""

from pathlib import Path

import pytest

from deployments.sandbox import Cancelled, ChildLimits
from deployments.video.transcript import (
    TranscriptRefused,
    parse_transcript,
    read_transcript,
    reading,
)
from tests.unit.video.transcript import youtube
from tests.unit.video.transcript.hostile import SHAPES


def test_a_child_reads_what_the_parser_reads(tmp_path: Path) -> None:
    data = (youtube.vtt() + "\n00:20.000 --> 00:21.000\n\u0f56\u0f7c\u0f51\n").encode()

    found = read_transcript(data, "vtt", tmp_path, duration=9.5)

    expected = parse_transcript(data, "vtt", duration=9.5)
    assert found.words == expected.words
    assert (found.encoding, found.notes) == (expected.encoding, expected.notes)
    assert found.notes
    assert found.undrawn_scripts == ("Tibetan",)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_comes_out_of_the_child_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(TranscriptRefused, match="begins at 20 s, the recording ends at 9 s"):
        read_transcript(b"1\n00:00:20,000 --> 00:00:21,000\nhi\n", "srt", tmp_path, duration=9.0)


def test_a_child_over_its_limit_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LIMITS", ChildLimits(wall_s=0.05, output_bytes=1 << 20))
    _, made = SHAPES["json segments"]
    with pytest.raises(TranscriptRefused, match="cannot be read"):
        read_transcript(made(1 << 20).encode(), "json", tmp_path)


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        read_transcript(youtube.vtt().encode(), "vtt", tmp_path, lambda: True)
