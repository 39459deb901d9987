"""The captions of one clip: a transcript in; ASS for burn-in, SRT and VTT for the caller out.

Pure: words -> timed text -> cues -> documents. Burnt-in cues are short groups in large letters; the
cues of the files are what players expect, up to two lines of 42 columns.
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
from deployments.video.captions.words import TimedText, Timeline, segments

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
    style `none` and if nothing can be drawn. Raises InvalidRequest for an unknown style, and
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
    """Like `captions`, for a clip of several spans of its source."""
    timed = segments(transcript.words, timeline)
    subtitle_cues = cues(timed, subtitles.reading_limits(), timeline.duration)
    ass_text = None
    if style is not None:
        primary_language = (language or transcript.language or "").lower().split("-")[0]
        ass_text = _ass_document(timed, style, timeline.duration, width, height, primary_language)
    return RenderedCaptions(ass_text, subtitles.srt(subtitle_cues), subtitles.vtt(subtitle_cues))


def _ass_document(
    timed: tuple[TimedText, ...],
    style: CaptionStyle,
    duration: Seconds,
    width: int,
    height: int,
    primary_language: str,
) -> str | None:
    shown = tuple(_upper(segment, primary_language) for segment in timed) if style.upper else timed
    measure = partial(ass.measure, max_scale=ass.largest_scale(style, width, height))
    budget = LineBudget(measure, ass.line_width(style, width, height), style.words, seconds=4.0)
    caption_cues = cues(drawable(shown), budget, duration)
    glyph_language = _glyph_language(primary_language, "".join(segment.text for segment in shown))
    return (
        ass.document(caption_cues, style, width, height, glyph_language) if caption_cues else None
    )


def _glyph_language(primary_language: str, text: str) -> str:
    """The language whose glyph shapes are used: the transcript's, or that of the script beside
    them."""
    if primary_language in _EAST or not _HAN.search(text):
        return primary_language if primary_language in _EAST else ""
    return "ja" if _KANA.search(text) else "ko" if _HANGUL.search(text) else "zh"


def _upper(segment: TimedText, primary_language: str) -> TimedText:
    text = segment.text.replace("i", "İ") if primary_language in _DOTTED else segment.text
    return replace(segment, text=text.upper())
