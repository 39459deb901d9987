"""The strings of a JSON text that is still growing, as scanners read them.

In: pieces of JSON. Out: its characters with the escapes of strings resolved, where each was, and
what may be done with it, so that what is replaced leaves the text valid. A text that turns out to
be no JSON is plain from there on.
"""

from dataclasses import dataclass, field

TEXT, STRING, DIGIT, FIXED = "t", "s", "d", "x"  # plain text, in a string, of a number, the rest
_STRUCTURE = frozenset("{}[],:")
_FIXED = frozenset("-+.eEtrufalsn")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_ESCAPE, _PAIR = 6, 12  # characters of `\u0040`, and of two of them for one character


@dataclass(slots=True)
class ReadCharacters:
    """`classes` has a letter for each original character that was read; `text` what it stands for,
    with the places `starts` and `ends`.
    """

    text: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)

    def add(self, character: str, start: int, length: int, kind: str) -> None:
        self.text.append(character)
        self.starts.append(start)
        self.ends.append(start + length)
        self.classes.append(kind * length)


class JsonReader:
    """Reads one JSON text in pieces."""

    def __init__(self) -> None:
        self._state = "outside"  # "string", "plain"
        self._held = ""  # an escape that is not whole yet

    def read(self, text: str, start: int, *, is_whole: bool) -> ReadCharacters:
        """`start` is the place of what was held back, or else of `text`."""
        read = ReadCharacters()
        text, self._held = self._held + text, ""
        at = 0
        while at < len(text):
            length = self._read_one(text, at, start, read, is_whole=is_whole)
            if not length:
                self._held = text[at:]
                break
            at += length
        return read

    def _read_one(
        self, text: str, at: int, start: int, read: ReadCharacters, *, is_whole: bool
    ) -> int:
        """The number of characters that were read; 0: an escape is not whole."""
        character, place = text[at], start + at
        if self._state == "plain":
            read.add(character, place, 1, TEXT)
        elif character == '"':
            self._state = "outside" if self._state == "string" else "string"
            read.add("\n", place, 1, FIXED)
        elif self._state == "outside":
            self._read_outside(character, place, read)
        elif character == "\\":
            return self._read_escape(text, at, start, read, is_whole=is_whole)
        else:
            read.add(character, place, 1, STRING)
        return 1

    def _read_outside(self, character: str, place: int, read: ReadCharacters) -> None:
        if character in _STRUCTURE:
            read.add("\n", place, 1, FIXED)
        elif character.isascii() and character.isdigit():
            read.add(character, place, 1, DIGIT)
        elif character in _FIXED or character.isspace():
            read.add(character, place, 1, FIXED)
        else:
            self._state = "plain"
            read.add(character, place, 1, TEXT)

    def _read_escape(
        self, text: str, at: int, start: int, read: ReadCharacters, *, is_whole: bool
    ) -> int:
        escape = text[at : at + _PAIR]
        if len(escape) > 1 and escape[1] in _ESCAPES:
            read.add(_ESCAPES[escape[1]], start + at, 2, STRING)
            return 2
        code = _code(escape)
        is_open = len(escape) < _PAIR and not is_whole
        if code is None and is_open and _may_become_code(escape):
            return 0
        if code is None:
            self._state = "plain"  # no JSON
            read.add("\\", start + at, 1, TEXT)
            return 1
        if 0xD800 <= code < 0xDC00:
            low = _code(escape[_ESCAPE:])
            if low is None and is_open and _may_become_code(escape[_ESCAPE:]):
                return 0
            if low is not None and 0xDC00 <= low < 0xE000:
                code = 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00
                read.add(chr(code), start + at, _PAIR, STRING)
                return _PAIR
        read.add(chr(code), start + at, _ESCAPE, STRING)
        return _ESCAPE


def _code(escape: str) -> int | None:
    digits = escape[2:_ESCAPE]
    is_code = escape.startswith("\\u") and len(digits) == 4 and _HEXADECIMAL.issuperset(digits)
    return int(digits, 16) if is_code else None


def _may_become_code(escape: str) -> bool:
    return len(escape) < _ESCAPE and (
        not escape
        or escape == "\\"
        or (escape.startswith("\\u") and _HEXADECIMAL.issuperset(escape[2:]))
    )
