"""Burn-in: cues in, an ASS document out, for libass with `fontsdir` set to our fonts.

Every event is clipped to the safe area, and lines are broken here by the fonts' widths, so nothing
is drawn outside it. A word changes colour by `\\t` transitions of zero length at its own
milliseconds. Text is escaped: it can neither open an override block nor break a line.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from pysubs2 import Alignment, Color, SSAEvent, SSAFile, SSAStyle

from deployments.video.captions.bidi import isolate, visual_order
from deployments.video.captions.font import Font, fonts, runs, scale, width
from deployments.video.captions.grouping import CaptionCue, Line
from deployments.video.captions.styles import CaptionStyle, SafeArea, safe_area
from deployments.video.captions.words import TimedText

_JOINER = "\u2060"  # invisible; it separates a backslash from the letter after it
_MAX_GAP_S = 0.25
_POP_MS = 120
_AUTO_DIRECTION = -1
_SPACE = ord(" ")
_OPAQUE_BOX = 4  # libass: one box behind the whole event


def document(
    cues: tuple[CaptionCue, ...], style: CaptionStyle, width: int, height: int, language: str = ""
) -> str:
    """The ASS text that draws `cues` on a picture of `width` x `height` pixels. `language` (two
    letters) selects the Chinese, Japanese or Korean shapes of a character."""
    file = SSAFile()
    file.info.update(
        {"PlayResX": str(width), "PlayResY": str(height), "WrapStyle": "2", "YCbCr Matrix": "None"}
    )
    if language:
        file.info["Language"] = language
    area = safe_area(width, height)
    file.styles = {"caption": _style(style, area, width, height)}
    font_chooser = _font_chooser(cues, style, width, height)
    file.events = [
        event for cue in cues for event in _events(cue, style, area, width, height, font_chooser)
    ]
    return file.to_string("ass", header_notice="Captions by Mobula")


def line_height(style: CaptionStyle, width: int, height: int) -> float:
    """The height of a line in pixels: smaller in wide pictures, which are watched on larger
    screens, and limited so that two lines fit the safe area."""
    area = safe_area(width, height)
    height_by_style = style.size * min(width, height) * (0.8 if width / height >= 1.3 else 1.0)
    available = (area.bottom - area.top) * height - 2
    return min(height_by_style, available / (2 + 2 * _padding(style)))


def line_width(style: CaptionStyle, width: int, height: int) -> float:
    """The width of a line, in line heights: the safe area without outline or box."""
    area = safe_area(width, height)
    available = (area.right - area.left) * width - 2
    return available / line_height(style, width, height) - 2 * _padding(style)


def largest_scale(style: CaptionStyle, width: int, height: int) -> float:
    """How much higher than `line_height` two lines may be within the safe area."""
    area = safe_area(width, height)
    available = (area.bottom - area.top) * height - 2
    return available / (2 + 2 * _padding(style)) / line_height(style, width, height)


def _font_chooser(
    cues: tuple[CaptionCue, ...], style: CaptionStyle, width: int, height: int
) -> "_FontChooser":
    all_fonts, max_scale = fonts(), largest_scale(style, width, height)
    texts = {segment.text for cue in cues for segment in cue.segments}
    used = {font.path: font for text in texts for font, _ in runs(text, all_fonts)}
    has_sizes = any(scale(font, all_fonts, max_scale) > 1 for font in used.values())
    return _FontChooser(line_height(style, width, height), max_scale, has_sizes)


def _padding(style: CaptionStyle) -> float:
    """The width of outline or box on each side, in line heights."""
    return style.outline * (2 if style.box else 1)


def escape(text: str) -> str:
    """`text` such that ASS shows it literally."""
    text = text.replace("\\", "\\" + _JOINER).replace("{", "\\{").replace("}", "\\}")
    return " ".join(text.split())


def _style(style: CaptionStyle, area: SafeArea, width: int, height: int) -> SSAStyle:
    size = line_height(style, width, height)
    padding = _padding(style) * size
    return SSAStyle(
        fontname=fonts()[0].family,
        fontsize=round(size, 2),
        primarycolor=_colour(style.colour),
        outlinecolor=_colour(style.edge),
        backcolor=_colour(style.edge, style.box),
        borderstyle=_OPAQUE_BOX if style.box else 1,
        outline=0.0 if style.box else round(padding, 2),
        shadow=round(padding, 2) if style.box else 0.0,
        alignment=Alignment.BOTTOM_CENTER,
        marginl=round(area.left * width),
        marginr=round((1 - area.right) * width),
        marginv=round((1 - area.bottom) * height + padding + 1),
        encoding=_AUTO_DIRECTION,
    )


def _events(
    cue: CaptionCue,
    style: CaptionStyle,
    area: SafeArea,
    width: int,
    height: int,
    font_chooser: "_FontChooser",
) -> tuple[SSAEvent, ...]:
    start, end = math.floor(cue.start * 100 + 1e-6) * 10, math.floor(cue.end * 100 + 1e-6) * 10
    if end <= start or not cue.segments:
        return ()
    edges = (area.left * width, area.top * height, area.right * width, area.bottom * height)
    clip = ",".join(str(round(edge)) for edge in edges)
    pop = rf"\fscx70\fscy70\t(0,{_POP_MS},\fscx100\fscy100)" if style.pop else ""
    text = rf"{{\clip({clip}){pop}}}" + _text(cue, style, start, font_chooser)
    return (SSAEvent(start=start, end=end, style="caption", text=text),)


def _text(cue: CaptionCue, style: CaptionStyle, start_ms: int, font_chooser: "_FontChooser") -> str:
    segments = cue.segments
    ends = [
        after.start if after.start - segment.end <= _MAX_GAP_S else segment.end
        for segment, after in zip(segments, segments[1:], strict=False)
    ] + [segments[-1].end]
    lit_until = dict(zip(segments, ends, strict=True))
    return r"\N".join(_line(line, lit_until, style, start_ms, font_chooser) for line in cue.lines)


def _line(
    line: Line,
    lit_until: dict[TimedText, float],
    style: CaptionStyle,
    start_ms: int,
    font_chooser: "_FontChooser",
) -> str:
    """Words in visual order, from the left: libass reorders words of one colour only, and a
    highlighted word would split its line in two."""
    parts: list[str] = []
    previous: int | None = None
    for index, direction in visual_order([segment.text for segment in line]):
        segment = line[index]
        if previous is not None and not (segment.glued and previous == index - 1):
            parts.append(font_chooser.gap(line[previous].text))
        text = font_chooser.draw(
            segment.text, _highlight_tags(segment, lit_until[segment], style, start_ms), direction
        )
        parts.append(text)
        previous = index
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _FontChooser:
    """Selects fonts and their sizes: `size` is the first font's line height in pixels, another may
    be up to `max_scale` times as large."""

    size: float
    max_scale: float
    has_sizes: bool  # whether there are sizes other than `size`

    def draw(self, text: str, tags: str, direction: str) -> str:
        """`text` with the tags that select its fonts, after the caller's `tags`."""
        all_fonts = fonts()
        parts: list[str] = []
        for number, (font, part) in enumerate(runs(text, all_fonts)):
            font_tags = self._select(font) if number or len(all_fonts) > 1 else ""
            part_tags = font_tags + ("" if number else tags)
            parts.append((f"{{{part_tags}}}" if part_tags else "") + escape(part))
        return isolate("".join(parts), direction)

    def gap(self, before: str) -> str:
        """A space after `before`: the first font's, if the space of its own font is very wide."""
        all_fonts = fonts()
        *_, (last, _) = runs(before, all_fonts)
        is_wide = last.advances.get(_SPACE, 0.0) > 2 * all_fonts[0].advances.get(_SPACE, 1.0)
        return f"{{{self._select(all_fonts[0])}}} " if is_wide else " "

    def _select(self, font: Font) -> str:
        size = self.size * scale(font, fonts(), self.max_scale)
        return rf"\fn{font.family}" + (rf"\fs{size:.2f}" if self.has_sizes else "")


def _highlight_tags(segment: TimedText, until: float, style: CaptionStyle, start_ms: int) -> str:
    if style.active == style.colour:
        return ""
    base, active = (_bgr_colour(colour) for colour in (style.colour, style.active))
    on, off = (round(time * 1000) - start_ms for time in (segment.start, until))
    off = max(off, on + 1, 1)
    # `\t` from 0 to 0 would mean the event's whole duration.
    lights = rf"\1c{active}" if on <= 0 else rf"\1c{base}\t({on},{on},\1c{active})"
    return rf"{lights}\t({off},{off},\1c{base})"


def _bgr_colour(colour: str) -> str:
    return f"&H{colour[5:7]}{colour[3:5]}{colour[1:3]}&".upper()


def _colour(colour: str, opacity: float = 1.0) -> Color:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return Color(red, green, blue, 0 if opacity <= 0 else round(255 * (1 - opacity)))


@lru_cache(maxsize=4096)
def measure(text: str, max_scale: float = 1.0) -> float:
    """The width of `text` in line heights, in the fonts that will draw it, none of them more than
    `most` times as large as the first."""
    return width(text, fonts(), max_scale)
