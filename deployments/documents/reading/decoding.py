"""Bytes of texts in any encoding as text.

In: the bytes. Out: the text, and the name of its encoding. In order: a byte order mark, UTF-8, the
declared encoding, UTF-16 without a mark, a guess by the frequencies of letters
(charset-normalizer), Windows-1252.
"""

import codecs

from charset_normalizer import from_bytes

SAMPLE = 64 << 10  # bytes that a guess is made by
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PLAIN = "cp1252"
_ALIKE_CHAOS, _ALIKE_COHERENCE = 0.01, 0.1


def decoded_text(content: bytes, declared: str = "") -> tuple[str, str]:
    """`declared` is the encoding that a document names itself; it is tried before guesses."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, "replace"), encoding
    for encoding in ("utf-8", declared, _utf16(content)):
        if text := _strictly(content, encoding):
            return text, encoding
    for encoding in _guesses(content[:SAMPLE]):
        if text := _strictly(content, encoding):
            return text, encoding
    return content.decode(_PLAIN, "replace"), _PLAIN


def _guesses(sample: bytes) -> list[str]:
    """The likeliest first. Of code pages that are about as likely, those of Windows come first, and
    Windows-1252 before its relatives, which differ in few letters."""
    matches = list(from_bytes(sample))
    if not matches:
        return []
    chaos, coherence = matches[0].chaos + _ALIKE_CHAOS, matches[0].coherence - _ALIKE_COHERENCE
    alike = [each for each in matches if each.chaos <= chaos and each.coherence >= coherence]
    names = [name for match in alike for name in match.could_be_from_charset]
    windows = [match.encoding for match in alike if match.encoding.startswith("cp125")]
    return [*([_PLAIN] if _PLAIN in names else []), *windows, matches[0].encoding]


def _strictly(content: bytes, encoding: str) -> str:
    if not encoding:
        return ""
    try:
        return content.decode(encoding)
    except (UnicodeError, LookupError):
        return ""


def _utf16(content: bytes) -> str:
    sample = content[:4_096]
    half = max(1, len(sample) // 2)
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd >= 0.7 * half:
        return "utf-16-le"
    return "utf-16-be" if even >= 0.7 * half else ""
