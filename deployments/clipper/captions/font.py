"""Fonts: which characters can be drawn, and how wide they are, read from the font files themselves.

In: a folder of static TrueType or OpenType files that the operator trusts; ours holds Inter Extra
Bold, and Noto Sans Bold for other scripts; the package noto-cjk-sans-jp-bold has that for Chinese,
Japanese and Korean (all SIL Open Font License). Further files in the folder are used for what Inter
cannot draw. Tables: OpenType 1.9, `cmap` formats 4 and 12.
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
_ORDER = ("Inter-", "", "NotoSans", "NotoSansCJK", "NotoEmoji")  # beginnings of files' names
_CLUSTER = regex.compile(r"\X")
_SUFFIXES = {".otf", ".ttc", ".ttf"}
_UNSEEN = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_WINDOWS_UNICODE = {(3, 10): 0, (0, 4): 1, (3, 1): 2, (0, 3): 3}  # best first


@dataclass(frozen=True, slots=True)
class Font:
    """`family` is the name that selects it in ASS. `advances` gives the width of each character it
    can draw, in units of the font's line height, in which ASS counts font sizes; `em` likewise.
    """

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
    """`text` without what no font draws: joiners, variation selectors, direction marks."""
    return str(_UNSEEN.sub("", text))


@lru_cache(maxsize=8)
def fonts(folder: Path = FONTS) -> tuple[Font, ...]:
    """The fonts in `folder`: Inter first, then the operator's, then Noto's; to ours belongs the
    package's for Chinese, Japanese and Korean. Raises ValueError for a file that is not a font, or
    if there is none.
    """
    return tuple(read_font(path) for path in _files(folder))


@lru_cache(maxsize=1)
def first_font() -> Font:
    """The first of `fonts()`, without reading the others."""
    return read_font(_files(FONTS)[0])


def files_for(document: str) -> tuple[Path, ...]:
    """The files of the fonts that an ASS document names."""
    return tuple(font.path for font in fonts() if font.family in document)


def runs(text: str, known: tuple[Font, ...]) -> Iterator[tuple[Font, str]]:
    """`text` in parts that one font draws each, the fewest that go without looking ahead. What no
    font draws goes with the first."""
    whole = font_for(text, known)
    if whole is not None or not text:
        yield whole or known[0], text
        return
    current, part = None, ""
    for cluster in _CLUSTER.findall(text):
        if current is not None and current.draws(cluster):
            part += cluster
            continue
        if current is not None:
            yield current, part
        current, part = font_for(cluster, known) or known[0], cluster
    if current is not None:
        yield current, part


def scale(font: Font, known: tuple[Font, ...], most: float) -> float:
    """How much larger than the first font another is set, so that their letters are of one size:
    fonts with tall marks have small letters in the same line height. At most `most`."""
    return max(1.0, min(known[0].em / font.em, most))


def width(text: str, known: tuple[Font, ...], most: float = 1.0) -> float:
    """The width of `text` in line heights of the first font, before letters join, which makes it
    no wider. `most`: see `scale`."""
    return sum(font.width(part) * scale(font, known, most) for font, part in runs(text, known))


def _files(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]
    if not files:
        raise ValueError(f"no font (.otf, .ttc or .ttf) in {folder.name}")
    if folder == FONTS:
        files += _packaged()
    return sorted(files, key=_rank)


def _packaged() -> list[Path]:
    found = find_spec(_CJK)
    folder = None if found is None or found.origin is None else Path(found.origin).parent
    return [] if folder is None else sorted(folder.glob("*.otf"))


def _rank(path: Path) -> tuple[int, str]:
    ours = [place for place, begins in enumerate(_ORDER) if begins and path.name.startswith(begins)]
    return (ours[-1] if ours else _ORDER.index(""), path.name)


def font_for(text: str, known: tuple[Font, ...]) -> Font | None:
    """The first font that draws all of `text`."""
    return next((font for font in known if font.draws(text)), None)


def read_font(path: Path) -> Font:
    """Read family, characters and widths. Raises ValueError if the file cannot be used."""
    data = path.read_bytes()
    try:
        tables = _tables(data)
        (units,) = struct.unpack_from(">H", data, tables["head"] + 18)
        ascent, descent = struct.unpack_from(">HH", data, tables["OS/2"] + 74)
        line = ascent + descent
        widths = _widths(data, tables)
        glyphs = _characters(data, tables["cmap"])
        last = len(widths) - 1
        advances = {code: widths[min(glyph, last)] / line for code, glyph in glyphs.items()}
        return Font(_family(data, tables["name"]), path, units / line, advances)
    except (struct.error, KeyError, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"'{path.name}' is not a font that can be used") from error


def _tables(data: bytes) -> dict[str, int]:
    """Where each table is; of a collection, those of its first font."""
    start = struct.unpack_from(">I", data, 12)[0] if data[:4] == b"ttcf" else 0
    (count,) = struct.unpack_from(">H", data, start + 4)
    records = (struct.unpack_from(">4sIII", data, start + 12 + 16 * i) for i in range(count))
    return {tag.decode("latin-1"): offset for tag, _, offset, _ in records}


def _widths(data: bytes, tables: Mapping[str, int]) -> tuple[int, ...]:
    (count,) = struct.unpack_from(">H", data, tables["hhea"] + 34)
    pairs = struct.unpack_from(f">{2 * count}H", data, tables["hmtx"])
    return pairs[::2]


def _family(data: bytes, name: int) -> str:
    _, count, strings = struct.unpack_from(">HHH", data, name)
    for i in range(count):
        platform, _, _, kind, size, offset = struct.unpack_from(">6H", data, name + 6 + 12 * i)
        if (platform, kind) == (3, 1):
            start = name + strings + offset
            return data[start : start + size].decode("utf-16-be")
    raise KeyError("family")


def _characters(data: bytes, cmap: int) -> dict[int, int]:
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    records = [struct.unpack_from(">HHI", data, cmap + 4 + 8 * i) for i in range(count)]
    usable = [record for record in records if record[:2] in _WINDOWS_UNICODE]
    best = min(usable, key=lambda record: _WINDOWS_UNICODE[record[:2]], default=None)
    if best is None:
        raise KeyError("cmap")
    at = cmap + best[2]
    (form,) = struct.unpack_from(">H", data, at)
    found = _format_12(data, at) if form == 12 else _format_4(data, at)
    return {code: glyph for code, glyph in found.items() if glyph}


def _format_12(data: bytes, at: int) -> dict[int, int]:
    (count,) = struct.unpack_from(">I", data, at + 12)
    groups = (struct.unpack_from(">III", data, at + 16 + 12 * i) for i in range(count))
    return {
        code: glyph + code - first
        for first, last, glyph in groups
        for code in range(first, last + 1)
    }


def _format_4(data: bytes, at: int) -> dict[int, int]:
    (doubled,) = struct.unpack_from(">H", data, at + 6)
    count = doubled // 2
    ends = struct.unpack_from(f">{count}H", data, at + 14)
    starts = struct.unpack_from(f">{count}H", data, at + 16 + doubled)
    deltas = struct.unpack_from(f">{count}H", data, at + 16 + 2 * doubled)
    ranges = at + 16 + 3 * doubled
    found: dict[int, int] = {}
    for i in range(count):
        (shift,) = struct.unpack_from(">H", data, ranges + 2 * i)
        for code in range(starts[i], min(ends[i], 0xFFFE) + 1):
            glyph = code
            if shift:
                place = ranges + 2 * i + shift + 2 * (code - starts[i])
                (glyph,) = struct.unpack_from(">H", data, place)
            found[code] = (glyph + deltas[i]) & 0xFFFF if glyph or not shift else 0
    return found
