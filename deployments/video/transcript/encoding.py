"""Detects the encoding of a text: bytes in, text and the encoding's name out.

A byte order mark decides. Next come UTF-16 without one (by its zero bytes) and UTF-8, also with
single bad bytes among many good sequences. The rest is a legacy encoding, which charset-normalizer
detects from the lines with more than ASCII: times and numbers tell nothing about a language. Those
of Latin scripts, which it cannot distinguish, are detected by the letters of their languages.
"""

import codecs
from collections import Counter
from itertools import islice
from unicodedata import category

import regex
from charset_normalizer import from_bytes

from deployments.video.transcript.cues import Notes

SAMPLE_BYTES = 16 << 10
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16"),
)
# Python's codec, and the name that IANA gives the encoding.
_LEGACY = {
    "cp1252": "windows-1252", "cp1251": "windows-1251", "cp1250": "windows-1250",
    "cp1253": "windows-1253", "cp1254": "windows-1254", "cp1255": "windows-1255",
    "cp1256": "windows-1256", "cp1257": "windows-1257", "cp874": "windows-874",
    "cp932": "shift_jis", "euc_jp": "euc-jp", "gb18030": "gb18030", "big5": "big5",
    "cp949": "euc-kr", "koi8_r": "koi8-r",
}  # fmt: skip
# The letters beyond ASCII of the languages of each encoding. A detector cannot distinguish these
# encodings: its guess among them is as good as chance.
_ALPHABETS: dict[str, tuple[str, ...]] = {
    "cp1252": (
        "éèêëàâçîïôùûüœ", "äöüß", "áéíóúñü", "áâãàçéêíóôõú", "àèéìòù", "åäöæøé", "áéíóúýþæöð",
        "àçèéíïòóúü",
    ),
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýžľĺŕôä", "áéíóöőúüű", "čćđšž", "ăâîşţ"),
    "cp1254": ("çğıöşüâî\u0307",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}  # fmt: skip
_LATIN_SHARE = 0.35  # of bytes beyond ASCII; texts in other scripts have more
_UTF8_SEQUENCE = regex.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_MIN_GOOD_PER_BAD = 4


def decode(data: bytes, notes: Notes) -> tuple[str, str]:
    """The text of `data`, and the name of its encoding. Bytes that cannot be decoded become U+FFFD
    and are counted in `notes`."""
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            return _count_replacements(data.decode(codec, "replace"), name, notes), name
    utf16 = _utf16_without_mark(data[:SAMPLE_BYTES])
    if utf16 is not None:
        return _count_replacements(data.decode(utf16, "replace"), utf16, notes), utf16
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    text = data.decode("utf-8", "replace")
    if _is_utf_8(data, text):
        return _count_replacements(text, "utf-8", notes), "utf-8"
    codec = _detect_legacy(data)
    return _count_replacements(data.decode(codec, "replace"), _LEGACY[codec], notes), _LEGACY[codec]


def _count_replacements(text: str, name: str, notes: Notes) -> str:
    for _ in range(min(text.count("\ufffd"), 1_000_000)):
        notes.count("byte", f"left out: not {name}")
    return text


def _utf16_without_mark(sample: bytes) -> str | None:
    """Line feeds, digits and arrows have a zero byte on one side."""
    pairs = max(1, len(sample) // 2)
    high, low = sample[0::2].count(0), sample[1::2].count(0)
    if max(high, low) < 0.15 * pairs or min(high, low) > 0.02 * pairs:
        return None
    return "utf-16-le" if low > high else "utf-16-be"


def _is_utf_8(data: bytes, text: str) -> bool:
    """Other encodings hardly ever form its sequences by chance."""
    good = sum(1 for _ in islice(_UTF8_SEQUENCE.finditer(data), 1_000_000))
    return good >= _MIN_GOOD_PER_BAD * text.count("\ufffd")


def _detect_legacy(data: bytes) -> str:
    lines = (line for line in data.replace(b"\r", b"\n").split(b"\n") if not line.isascii())
    sample_bytes = bytearray()
    for line in lines:
        sample_bytes += line[: SAMPLE_BYTES - len(sample_bytes)] + b"\n"
        if len(sample_bytes) >= SAMPLE_BYTES:
            break
    sample = bytes(sample_bytes)
    non_ascii = sum(byte > 0x7F for byte in sample)
    if non_ascii < _LATIN_SHARE * len(b"".join(sample.split())):
        return _detect_latin(sample)
    matches = from_bytes(
        sample, cp_isolation=[codec for codec in _LEGACY if codec not in _ALPHABETS]
    )
    best = matches.best()
    return best.encoding if best is not None and best.encoding in _LEGACY else _detect_latin(sample)


def _detect_latin(sample: bytes) -> str:
    """The encoding in which most letters are those of one language; in doubt the most common."""
    return max(
        _ALPHABETS, key=lambda codec: _share_of_letters(sample.decode(codec, "replace"), codec)
    )


def _share_of_letters(text: str, codec: str) -> float:
    marks = Counter(mark for mark in text.casefold() if mark > "\x7f")
    letters = {mark: count for mark, count in marks.items() if not category(mark).startswith("P")}
    if not letters:
        return 1.0
    known_count = max(
        sum(count for mark, count in letters.items() if mark in alphabet)
        for alphabet in _ALPHABETS[codec]
    )
    return known_count / sum(letters.values())
