"""Subtitles within a recording, read in the sandbox: on the source's timeline, or not at all."""

import subprocess
from pathlib import Path

import pytest

from deployments.contracts.media import MediaInfo, MediaSource, SubtitleTrack
from deployments.sandbox import Cancelled
from deployments.sandbox.binary import ffmpeg_binary
from deployments.video.transcript import embedded_transcript

LINES = {"eng": "<i>One</i> two.", "deu": "Eins zwei."}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound from second 7 on, with subtitles in two languages."""
    folder = tmp_path_factory.mktemp("subtitled")
    inputs = ["-f", "lavfi", "-i", "sine=d=3"]
    for language, line in LINES.items():
        path = folder / f"{language}.srt"
        path.write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n")
        inputs += ["-i", str(path)]
    maps = ("-map", "0", "-map", "1", "-map", "2", "-c:a", "pcm_s16le", "-c:s", "srt")
    names = [
        word
        for number, language in enumerate(LINES)
        for word in (f"-metadata:s:s:{number}", f"language={language}")
    ]
    out = folder / "subtitled.mkv"
    command = [ffmpeg_binary(), "-v", "error", "-nostdin", *inputs, *maps, *names]
    subprocess.run([*command, "-output_ts_offset", "7", str(out)], check=True)
    return out


def source(path: Path, *tracks: SubtitleTrack) -> MediaSource:
    info = MediaInfo("matroska", 3.0, path.stat().st_size, None, (), tracks)
    return MediaSource(path, info, "")


ENGLISH = SubtitleTrack(1, "subrip", "eng", text=True)
GERMAN = SubtitleTrack(2, "subrip", "deu", text=True)


def test_the_first_text_subtitles_are_read_on_the_sources_timeline(
    recording: Path, tmp_path: Path
) -> None:
    found = embedded_transcript(source(recording, ENGLISH, GERMAN), tmp_path)

    assert found is not None
    assert [word.text for word in found.words] == ["One", "two."]
    assert found.words[0].start == pytest.approx(1.0, abs=0.002)
    assert (found.origin, found.language) == ("embedded", "eng")
    assert list(tmp_path.iterdir()) == []


def test_those_of_the_wanted_language_go_first(recording: Path, tmp_path: Path) -> None:
    found = embedded_transcript(source(recording, ENGLISH, GERMAN), tmp_path, language="de")
    assert found is not None
    assert found.words[0].text == "Eins"


def test_pictures_of_text_are_not_read(recording: Path, tmp_path: Path) -> None:
    pictures = SubtitleTrack(1, "dvd_subtitle", "eng", text=False)
    assert embedded_transcript(source(recording, pictures), tmp_path) is None


def test_a_file_that_cannot_be_read_has_no_transcript(tmp_path: Path) -> None:
    path = tmp_path / "broken.mkv"
    path.write_bytes(b"nothing of the kind")
    assert embedded_transcript(source(path, ENGLISH), tmp_path) is None


def test_reading_can_be_cancelled(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        embedded_transcript(source(recording, ENGLISH), tmp_path, lambda: True)
