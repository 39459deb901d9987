"""Recordings that are real and yet not taken: encrypted ones, and ones of hundreds of tracks."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from deployments.contracts.media import MediaLimits
from deployments.sandbox.errors import MediaEncrypted, MediaTooLarge
from deployments.video.probe.probe import probe
from tests.video.hostile_files import SIGHT, SOUND, X264, ffmpeg

_KEY = "00112233445566778899aabbccddeeff"
ENCRYPTED = (
    *("-encryption_scheme", "cenc-aes-ctr"),
    *("-encryption_key", _KEY, "-encryption_kid", _KEY),
)


@pytest.mark.parametrize(
    ("name", "words"),
    [("film.mp4", (*SIGHT, *SOUND, *X264, "-c:a", "aac")), ("song.m4a", (*SOUND, "-c:a", "aac"))],
    ids=["film", "song"],
)
def test_an_encrypted_recording_is_refused_as_such(
    name: str, words: Sequence[str], tmp_path: Path
) -> None:
    ffmpeg(*words, *ENCRYPTED, tmp_path / name)
    ffmpeg(*words, tmp_path / f"plain-{name}")

    with pytest.raises(MediaEncrypted) as refused:
        probe(tmp_path / name, tmp_path)
    assert (refused.value.status, refused.value.slug) == (422, "media-encrypted")
    assert probe(tmp_path / f"plain-{name}", tmp_path).audio


def test_five_hundred_tracks_are_refused_by_the_limit_of_tracks(tmp_path: Path) -> None:
    tracks = [word for _ in range(500) for word in ("-map", "0:a")]
    ffmpeg(*SOUND, *tracks, "-c:a", "copy", "-f", "matroska", tmp_path / "many.mkv")

    with pytest.raises(MediaTooLarge) as refused:
        probe(tmp_path / "many.mkv", tmp_path)
    assert refused.value.extensions["field"] == "max_streams"
    assert refused.value.extensions["limit"] == MediaLimits().max_streams
