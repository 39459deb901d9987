"""Transcripts that are made to take long: shapes by name, of a given number of bytes."""

from collections.abc import Callable

from deployments.video.transcript import Kind

HEAD = "1\n00:00:00,000 --> 00:00:04,000\n"
WEB = "WEBVTT\n\n00:00.000 --> 00:09.000\n"


def _of(part: str, head: str = HEAD) -> Callable[[int], str]:
    return lambda size: head + part * (max(0, size - len(head)) // len(part))


def _json(entry: str, begin: str = "[", end: str = "]") -> Callable[[int], str]:
    def made(size: int) -> str:
        count = min(size // len(entry), 150_000)
        return begin + ",".join(entry.replace("N", str(at)) for at in range(count)) + end

    return made


# The kinds that were found by attack; they are tried in every run.
FOUND: dict[str, tuple[Kind, Callable[[int], str]]] = {
    "blank lines in quotes": ("srt", _of('"\n "')),
    "overrides": ("srt", _of("{\\")),
    "breaks": ("srt", _of("\\N ")),
    "json words": ("json", _json('{"word":"a","start":N,"end":N}', '{"words":[', "]}")),
    "nested tags": ("vtt", _of("<b><i>", WEB)),
}

OTHERS: dict[str, tuple[Kind, Callable[[int], str]]] = {
    "blank lines": ("srt", _of("\n ")),
    "numbers": ("srt", _of("\n1")),
    "open tags": ("srt", _of("<a")),
    "ampersands": ("srt", _of("&")),
    "one number": ("srt", _of("1", HEAD + "&#")),
    "numbers of characters": ("srt", _of("&#1111111111;")),
    "stacked marks": ("srt", _of("\u0301\u0323")),
    "cues of stacked marks": ("srt", _of(HEAD + "a" + "\u0301\u0323" * 900 + "\n\n", "")),
    "cues of overrides": ("srt", _of(HEAD + "{\\" * 9900 + "\n\n", "")),
    "short cues": ("srt", _of("0:1 --> 0:2\nab\n", "")),
    "arrows": ("srt", _of("->>-")),
    "times in text": ("vtt", _of("<00:00:01.000>a", WEB)),
    "cues of times in text": ("vtt", _of(WEB[8:] + "<00:00:01.000>a" * 900 + "\n\n", WEB[:8])),
    "open brackets": ("srt", _of("[(")),
    "half sound labels": ("srt", _of(HEAD + "(laugh" * 3000 + "\n\n", "")),
    "half names": ("srt", _of(HEAD + "AB " * 6000 + ":\n\n", "")),
    "han and signs": ("srt", _of(HEAD + "\u4e16=\u754c.\"'" * 3000 + "\n\n", "")),
    "json segments": ("json", _json('{"text":"a b c d","start":N,"end":N}')),
    "json words beside text": (
        "json",
        _json(
            '{"word":"a","start":1,"end":N}',
            '{"segments":[{"start":0,"end":9,"text":"%s"}],"words":[' % ("a b " * 4900),
            "]}",
        ),
    ),
    "open lists": ("json", _of("[", "")),
    "open objects": ("json", _of('{"a":', "")),
    "lists": ("json", _of("[],", "[")),
    "lines of json": ("json", _of("{\n", '{"start":1,"text":"a"}\n')),
    "one long number": ("json", _of("9", '[{"start":')),
}  # fmt: skip
SHAPES = FOUND | OTHERS
