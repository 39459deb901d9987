"""Fonts: the characters they draw and their widths, read by fontTools.

In: a folder of static TrueType or OpenType files that the operator trusts. Ours holds Inter Extra
Bold, and Noto Sans Bold for other scripts; the package noto-cjk-sans-jp-bold has that for Chinese,
Japanese and Korean (all SIL Open Font License). Further files in the folder are used for what Inter
cannot draw.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import regex

FONTS = Path(__file__).parent / "fonts"
_CJK = "noto_cjk_sans_jp_bold"  # the package
_ORDER = ("Inter-", "", "NotoSans", "NotoSansCJK", "NotoEmoji")  # prefixes of file names
_CLUSTER = regex.compile(r"\X")
_SUFFIXES = {".otf", ".ttc", ".ttf"}
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_UNICODE_CMAPS = ((3, 10), (0, 4), (3, 1), (0, 3))  # best first
_UNREADABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, ValueError)


@dataclass(frozen=True, slots=True)
class Font:
    """`family` is the name that selects it in ASS. `advances` has the width of each character it
    draws, in units of the font's line height, in which ASS counts font sizes; `em` likewise."""

    family: str
    path: Path
    em: float
    advances: Mapping[int, float]

    def draws(self, text: str) -> bool:
        return all(ord(mark) in self.advances for mark in strip_invisible(text))

    def width(self, text: str) -> float:
        """The width of `text` in line heights; a character it cannot draw counts as an em."""
        return sum(self.advances.get(ord(mark), self.em) for mark in strip_invisible(text))


def strip_invisible(text: str) -> str:
    """`text` without characters that no font draws: joiners, variation selectors and the like."""
    return str(_INVISIBLE.sub("", text))


@lru_cache(maxsize=8)
def fonts(folder: Path = FONTS) -> tuple[Font, ...]:
    """The fonts in `folder`: Inter first, then the operator's, then Noto's; our folder includes the
    package for Chinese, Japanese and Korean. Raises ValueError for a file that is not a font, and
    for a folder without fonts."""
    return tuple(read_font(path) for path in _files(folder))


@lru_cache(maxsize=1)
def first_font() -> Font:
    """The first of `fonts()`, without reading the others."""
    return read_font(_files(FONTS)[0])


def files_for(document: str) -> tuple[Path, ...]:
    """The files of the fonts that an ASS document uses."""
    return tuple(font.path for font in fonts() if font.family in document)


def runs(text: str, fonts_in_order: tuple[Font, ...]) -> Iterator[tuple[Font, str]]:
    """`text` split into runs of one font each, as few as possible without lookahead. Characters
    that no font draws belong to the first font."""
    single_font = font_for(text, fonts_in_order)
    if single_font is not None or not text:
        yield single_font or fonts_in_order[0], text
        return
    current, part = None, ""
    for cluster in _CLUSTER.findall(text):
        if current is not None and current.draws(cluster):
            part += cluster
            continue
        if current is not None:
            yield current, part
        current, part = font_for(cluster, fonts_in_order) or fonts_in_order[0], cluster
    if current is not None:
        yield current, part


def scale(font: Font, fonts_in_order: tuple[Font, ...], max_scale: float) -> float:
    """How much larger than the first font another is set, at most `max_scale`, so that their
    letters have one size: fonts with tall marks have small letters in the same line height."""
    return max(1.0, min(fonts_in_order[0].em / font.em, max_scale))


def width(text: str, fonts_in_order: tuple[Font, ...], max_scale: float = 1.0) -> float:
    """The width of `text` in line heights of the first font, before ligatures, which make it no
    wider. For `max_scale` see `scale`."""
    return sum(
        font.width(part) * scale(font, fonts_in_order, max_scale)
        for font, part in runs(text, fonts_in_order)
    )


def _files(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]
    if not files:
        raise ValueError(f"no font (.otf, .ttc or .ttf) in {folder.name}")
    if folder == FONTS:
        files += _cjk_fonts()
    return sorted(files, key=_sort_key)


def _cjk_fonts() -> list[Path]:
    spec = find_spec(_CJK)
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent
    return [] if folder is None else sorted(folder.glob("*.otf"))


def _sort_key(path: Path) -> tuple[int, str]:
    prefixes = [
        index for index, begins in enumerate(_ORDER) if begins and path.name.startswith(begins)
    ]
    return (prefixes[-1] if prefixes else _ORDER.index(""), path.name)


def font_for(text: str, fonts_in_order: tuple[Font, ...]) -> Font | None:
    """The first font that draws all of `text`."""
    return next((font for font in fonts_in_order if font.draws(text)), None)


def read_font(path: Path) -> Font:
    """Read family, characters and widths. Raises ValueError if the file cannot be used."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, fontNumber=0, lazy=True) as tables:
            # Glyphs are named by number: their own names (`CFF `, `post`) take long to read.
            names = [str(number) for number in range(tables["maxp"].numGlyphs)]
            tables.setGlyphOrder(names)
            line = tables["OS/2"].usWinAscent + tables["OS/2"].usWinDescent
            family = tables["name"].getName(nameID=1, platformID=3, platEncID=1).toUnicode()
            glyphs = tables["cmap"].getBestCmap(_UNICODE_CMAPS)
            widths = tables["hmtx"].metrics
            drawn = {code: glyph for code, glyph in glyphs.items() if glyph != names[0]}
            advances = {code: widths[glyph][0] / line for code, glyph in drawn.items()}
            return Font(family, path, tables["head"].unitsPerEm / line, advances)
    except (TTLibError, struct.error, *_UNREADABLE) as error:
        raise ValueError(f"'{path.name}' is not a font that can be used") from error
