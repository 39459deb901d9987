"""Captions of one clip: a transcript in; ASS to burn in, SRT and VTT for the caller out.

Pure: words -> pieces on the clip's timeline -> cues -> documents. Burnt-in cues are short groups in
large letters; the files' cues are what players expect, up to two lines of 42 columns.
"""

from dataclasses import replace
from functools import partial

import regex

from deployments.contracts.clips import RenderedCaptions
from deployments.contracts.media import Seconds, Transcript
from deployments.video.captions import ass, subtitles
from deployments.video.captions.glyphs import drawable
from deployments.video.captions.grouping import LineBudget, cues
from deployments.video.captions.styles import CaptionStyle, find
from deployments.video.captions.words import TimedText, Timeline, pieces

_EAST = {"zh", "ja", "ko"}
_HAN, _KANA, _HANGUL = (
    regex.compile(pattern) for pattern in (r"\p{Han}", r"[\p{Hiragana}\p{Katakana}]", r"\p{Hangul}")
)
_DOTTED = {"tr", "az"}  # languages whose capital of i is İ


def captions(
    transcript: Transcript,
    start: Seconds,
    end: Seconds,
    style: str,
    width: int,
    height: int,
    language: str | None = None,
) -> RenderedCaptions:
    """Captions for `start` to `end` of the source on a picture of `width` x `height` pixels.

    `language` (BCP 47; None: the transcript's) decides how capitals are made. `ass` is None for the
    style `none` and where nothing can be drawn. Raises InvalidRequest for an unknown style and
    ValueError unless start < end.
    """
    if not start < end:
        raise ValueError("a clip ends after it starts")
    return on_timeline(transcript, Timeline(((start, end),)), find(style), width, height, language)


def on_timeline(
    transcript: Transcript,
    timeline: Timeline,
    style: CaptionStyle | None,
    width: int,
    height: int,
    language: str | None = None,
) -> RenderedCaptions:
    """Like `captions`, for a clip that keeps several stretches of its source."""
    heard = pieces(transcript.words, timeline)
    read = cues(heard, subtitles.reading_limits(), timeline.duration)
    burnt = None
    if style is not None:
        tongue = (language or transcript.language or "").lower().split("-")[0]
        burnt = _burnt(heard, style, timeline.duration, width, height, tongue)
    return RenderedCaptions(burnt, subtitles.srt(read), subtitles.vtt(read))


def _burnt(
    heard: tuple[TimedText, ...],
    style: CaptionStyle,
    duration: Seconds,
    width: int,
    height: int,
    tongue: str,
) -> str | None:
    shown = tuple(_capitals(piece, tongue) for piece in heard) if style.upper else heard
    measure = partial(ass.measure, most=ass.largest_scale(style, width, height))
    room = LineBudget(measure, ass.line_width(style, width, height), style.words, seconds=4.0)
    found = cues(drawable(shown), room, duration)
    shapes = _shapes(tongue, "".join(piece.text for piece in shown))
    return ass.document(found, style, width, height, shapes) if found else None


def _shapes(tongue: str, text: str) -> str:
    """Whose shapes of characters are drawn: the language's, or that of the script beside them."""
    if tongue in _EAST or not _HAN.search(text):
        return tongue if tongue in _EAST else ""
    return "ja" if _KANA.search(text) else "ko" if _HANGUL.search(text) else "zh"


def _capitals(piece: TimedText, tongue: str) -> TimedText:
    text = piece.text.replace("i", "İ") if tongue in _DOTTED else piece.text
    return replace(piece, text=text.upper())
