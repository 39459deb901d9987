"""Burn-in: cues in, an ASS document out, for libass with `fontsdir` set to our fonts.

Every event is clipped to the safe area, and lines are broken here by the font's own widths, so that
nothing is drawn outside it. A word gets its colour by `\\t` transitions of no length at its own
milliseconds. Text is escaped: it can neither open an override block nor break a line.
"""

import math
from functools import lru_cache

from pysubs2 import Alignment, Color, SSAEvent, SSAFile, SSAStyle

from deployments.clipper.captions.font import Font, font_for, fonts
from deployments.clipper.captions.grouping import Cue
from deployments.clipper.captions.styles import SafeArea, Style, safe_area
from deployments.clipper.captions.words import Piece

_JOINER = "\u2060"  # drawn by no font; it parts a backslash from the letter that gives it meaning
_BRIDGED_S = 0.25
_POP_MS = 120
_AUTO_DIRECTION = -1
_OPAQUE_BOX = 4  # libass: one box behind the whole event


def document(cues: tuple[Cue, ...], style: Style, width: int, height: int) -> str:
    """The ASS text that draws `cues` on a picture of `width` x `height` pixels."""
    file = SSAFile()
    file.info.update(
        {"PlayResX": str(width), "PlayResY": str(height), "WrapStyle": "2", "YCbCr Matrix": "None"}
    )
    area = safe_area(width, height)
    file.styles = {"caption": _style(style, area, width, height)}
    file.events = [event for cue in cues for event in _events(cue, style, area, width, height)]
    return file.to_string("ass", header_notice="Captions by Mobula")


def line_height(style: Style, width: int, height: int) -> float:
    """The height of a line in pixels: smaller in wide pictures, which are watched on larger
    screens, and never so high that two lines leave the safe area.
    """
    area = safe_area(width, height)
    wanted = style.size * min(width, height) * (0.8 if width / height >= 1.3 else 1.0)
    room = (area.bottom - area.top) * height - 2
    return min(wanted, room / (2 + 2 * _padding(style)))


def line_width(style: Style, width: int, height: int) -> float:
    """What a line may hold, in line heights: the safe area less what outline or box add."""
    area = safe_area(width, height)
    room = (area.right - area.left) * width - 2
    return room / line_height(style, width, height) - 2 * _padding(style)


def _padding(style: Style) -> float:
    """What outline or box add on each side, in line heights."""
    return style.outline * (2 if style.box else 1)


def escape(text: str) -> str:
    """`text` as ASS shows it, whatever it holds."""
    text = text.replace("\\", "\\" + _JOINER).replace("{", "\\{").replace("}", "\\}")
    return " ".join(text.split())


def _style(style: Style, area: SafeArea, width: int, height: int) -> SSAStyle:
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
    cue: Cue, style: Style, area: SafeArea, width: int, height: int
) -> tuple[SSAEvent, ...]:
    start, end = math.floor(cue.start * 100 + 1e-6) * 10, math.floor(cue.end * 100 + 1e-6) * 10
    if end <= start or not cue.pieces:
        return ()
    edges = (area.left * width, area.top * height, area.right * width, area.bottom * height)
    clip = ",".join(str(round(edge)) for edge in edges)
    pop = rf"\fscx70\fscy70\t(0,{_POP_MS},\fscx100\fscy100)" if style.pop else ""
    text = rf"{{\clip({clip}){pop}}}" + _text(cue, style, start)
    return (SSAEvent(start=start, end=end, style="caption", text=text),)


def _text(cue: Cue, style: Style, start_ms: int) -> str:
    pieces = cue.pieces
    ends = [
        after.start if after.start - piece.end <= _BRIDGED_S else piece.end
        for piece, after in zip(pieces, pieces[1:], strict=False)
    ] + [pieces[-1].end]
    lit = dict(zip(pieces, ends, strict=True))
    return r"\N".join(
        "".join(
            ("" if i == 0 or piece.glued else " ") + _word(piece, lit[piece], style, start_ms)
            for i, piece in enumerate(line)
        )
        for line in cue.lines
    )


def _word(piece: Piece, until: float, style: Style, start_ms: int) -> str:
    known = fonts()
    font = font_for(piece.text, known) or known[0]
    face = rf"\fn{font.family}" if len(known) > 1 else ""
    tags = face + _light(piece, until, style, start_ms)
    return (f"{{{tags}}}" if tags else "") + escape(piece.text)


def _light(piece: Piece, until: float, style: Style, start_ms: int) -> str:
    if style.active == style.colour:
        return ""
    base, active = (_bgr(colour) for colour in (style.colour, style.active))
    on, off = (round(moment * 1000) - start_ms for moment in (piece.start, until))
    off = max(off, on + 1, 1)
    # `\t` from 0 to 0 would mean the event's whole duration.
    lights = rf"\1c{active}" if on <= 0 else rf"\1c{base}\t({on},{on},\1c{active})"
    return rf"{lights}\t({off},{off},\1c{base})"


def _bgr(colour: str) -> str:
    return f"&H{colour[5:7]}{colour[3:5]}{colour[1:3]}&".upper()


def _colour(colour: str, opacity: float = 1.0) -> Color:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return Color(red, green, blue, 0 if opacity <= 0 else round(255 * (1 - opacity)))


@lru_cache(maxsize=4096)
def measure(text: str) -> float:
    """The width of `text` in line heights, in the font that will draw it."""
    known = fonts()
    font: Font = font_for(text, known) or known[0]
    return font.width(text)
