"""Subtitle files: cues in, SRT and WebVTT text out, for players.

WebVTT: W3C Candidate Recommendation, section 4. SRT has no standard: text that players take for
tags or for a time line is replaced by look-alikes.
"""

import unicodedata
from collections.abc import Callable

import regex

from deployments.video.captions.grouping import CaptionCue, LineBudget, join_text

_TAG = regex.compile(r"<(?=[/!?a-zA-Z])")
_COLUMNS = 42


def reading_limits() -> LineBudget:
    """Two lines of 42 columns, at most 6 seconds: the usual limits of broadcasters."""
    return LineBudget(columns, _COLUMNS, words=2 * _COLUMNS)


def columns(text: str) -> float:
    """The width of `text` in Latin characters; East Asian wide characters count twice."""
    return sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in text)


def srt(cues: tuple[CaptionCue, ...]) -> str:
    """`cues` as SubRip text, numbered from 1."""
    blocks = _blocks(cues, ",", _srt_text)
    return "\n".join(f"{i}\n{block}" for i, block in enumerate(blocks, 1))


def vtt(cues: tuple[CaptionCue, ...]) -> str:
    """`cues` as WebVTT text."""
    return "\n".join(["WEBVTT\n", *_blocks(cues, ".", _vtt_text)])


def _blocks(cues: tuple[CaptionCue, ...], point: str, write: Callable[[str], str]) -> list[str]:
    blocks = []
    for cue in cues:
        start, end = int(cue.start * 1000 + 1e-6), int(cue.end * 1000 + 1e-6)
        if end > start:
            lines = "".join(f"{write(join_text(line))}\n" for line in cue.lines)
            blocks.append(f"{_format_time(start, point)} --> {_format_time(end, point)}\n{lines}")
    return blocks


def _format_time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _srt_text(text: str) -> str:
    return _TAG.sub("‹", text.replace("-->", "→").replace("{\\", "{"))


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
