"""Transcripts of every make, from the file beside a video to what is burnt into its clip."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.media_fixtures.scripts import SCRIPTS
from tests.unit.video.transcript import youtube
from tests.video.clipping.worker_harness import open_worker

OPTIONS: dict[str, Any] = {
    "count": 1, "min_s": 7.0, "max_s": 9.0, "start": 0.0, "end": 9.0, "texts": False,
}  # fmt: skip


def srt_of(text: str, separator: str = ",") -> str:
    """`text` said from second 0.5 to 8.5, in two lines."""
    words = text.split()
    half = (len(words) + 1) // 2
    lines = (" ".join(words[:half]), " ".join(words[half:]))
    return (
        f"1\n00:00:00{separator}500 --> 00:00:04{separator}500\n{lines[0]}\n\n"
        f"2\n00:00:04{separator}500 --> 00:00:08{separator}500\n{lines[1]}\n"
    )


def verbose_json(text: str) -> str:
    words = [
        {"word": word, "start": 0.5 + i, "end": 1.2 + i} for i, word in enumerate(text.split())
    ]
    segments = [{"start": 0.5, "end": 8.5, "text": text}]
    return json.dumps({"language": "english", "segments": segments, "words": words})


RUSSIAN = "Сегодня мы печём хлеб дома и это совсем просто"
MAKES: dict[str, tuple[str | bytes, str, str]] = {
    "YouTube as yt-dlp saves it": (youtube.vtt(), "vtt", " ".join(youtube.SAID)),
    "the same as SRT": (youtube.srt(), "srt", " ".join(youtube.SAID)),
    "Windows-1251": (srt_of(RUSSIAN).encode("cp1251"), "srt", RUSSIAN),
    "UTF-16 without a mark": (srt_of(RUSSIAN).encode("utf-16-le"), "srt", RUSSIAN),
    "SRT in a .vtt": (srt_of("one two three four"), "vtt", "one two three four"),
    "verbose_json": (verbose_json("one two three four"), "json", "one two three four"),
    "sound labels": (srt_of(">> JOHN: one two [MUSIC] three"), "srt", "one two three"),
} | {name: (srt_of(text), "srt", text) for name, (text, _) in SCRIPTS.items()}
SMOKE = {"YouTube as yt-dlp saves it"}


@pytest.mark.parametrize(
    "make",
    [pytest.param(name, marks=() if name in SMOKE else pytest.mark.exhaustive) for name in MAKES],
)
async def test_a_transcript_is_burnt_in_and_written_once_and_whole(
    make: str, talk: Path, home: Path
) -> None:
    words, kind, said = MAKES[make]
    async with open_worker(home) as harness:
        spec = await harness.add_video(talk, words, kind)
        job, (part,) = await harness.wait_until_ended(await harness.submit(spec, **OPTIONS))
        assert job.state == "succeeded", job.problem
        written = await harness.read_subtitles(part, "srt")

    assert part.data["captions"] == {"style": "karaoke", "origin": "sidecar", "why": ""}
    lines = [line for line in written.splitlines() if "-->" not in line and not line.isdigit()]
    heard = "".join("".join(lines).split())
    assert heard in "".join(said.split())
    assert len(heard) > 0.6 * len("".join(said.split()))
    assert part.data["files"][0]["report"]["problems"] == []
