"""Where a JSON value ends, in text that comes piece by piece.

In: text. Out: how much of it belongs to one value of RFC 8259, and whether that is valid so far.
Each character is looked at once, whatever the text is. Values are not built.
"""

import re

MAX_DEPTH = 128  # nested containers; a deeper value is called invalid

_BLANKS = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')  # what a string may hold as it is
_SCALAR = re.compile(r"[-+.0-9A-Za-z]*")
_SCALAR_START = re.compile(r"[-0-9a-z]")
_VALID_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_HEX = frozenset("0123456789abcdefABCDEF")
_ESCAPES = frozenset('"\\/bfnrt')


def skip_blanks(text: str, at: int) -> int:
    """The position after JSON's white space."""
    match = _BLANKS.match(text, at)
    return at if match is None else match.end()


class JsonScanner:
    """Scan one value: call `scan` until `done` or `invalid`."""

    def __init__(self) -> None:
        self.done = False
        self.invalid = False
        self._open: list[str] = []  # the containers that are open, as what closes them
        self._expected = "value"
        self._scalar: list[str] = []
        self._hex_left = 0

    def scan(self, text: str, at: int) -> int:
        """Read on from `at`; the position of the first character that was not taken.

        A number ends before a character that is none of its own, so that one is not taken; neither
        is the character that makes the value invalid.
        """
        end = len(text)
        while at < end and not (self.done or self.invalid):
            at = _STATES[self._expected](self, text, at)
        return at

    def _value(self, text: str, at: int) -> int:
        at = skip_blanks(text, at)
        if at == len(text):
            return at
        character = text[at]
        if character == '"':
            self._expected = "string"
        elif character in "{[":
            return self._open_container(character, at)
        elif character == "]" and self._expected == "first item":
            return self._close(at)
        elif _SCALAR_START.match(character):
            self._expected, self._scalar = "scalar", []
            return at
        else:
            self.invalid = True
            return at
        return at + 1

    def _open_container(self, character: str, at: int) -> int:
        if len(self._open) == MAX_DEPTH:
            self.invalid = True
            return at
        is_object = character == "{"
        self._open.append("}" if is_object else "]")
        self._expected = "first key" if is_object else "first item"
        return at + 1

    def _key(self, text: str, at: int) -> int:
        at = skip_blanks(text, at)
        if at == len(text):
            return at
        if text[at] == '"':
            self._expected = "key"
            return at + 1
        if text[at] == "}" and self._expected == "first key":
            return self._close(at)
        self.invalid = True
        return at

    def _string(self, text: str, at: int) -> int:
        """Inside of a string or a key."""
        match = _PLAIN.match(text, at)
        at = at if match is None else match.end()
        if at == len(text):
            return at
        if text[at] == '"':
            if self._expected == "key":
                self._expected = "colon"
            else:
                self._end_value()
            return at + 1
        if text[at] == "\\":
            self._expected += " escape"
            return at + 1
        self.invalid = True  # a control character
        return at

    def _escape(self, text: str, at: int) -> int:
        if self._hex_left:
            if text[at] not in _HEX:
                self.invalid = True
                return at
            self._hex_left -= 1
        elif text[at] == "u":
            self._hex_left = 4
        elif text[at] not in _ESCAPES:
            self.invalid = True
            return at
        if not self._hex_left:
            self._expected = self._expected.removesuffix(" escape")
        return at + 1

    def _colon(self, text: str, at: int) -> int:
        at = skip_blanks(text, at)
        if at == len(text):
            return at
        if text[at] != ":":
            self.invalid = True
            return at
        self._expected = "value"
        return at + 1

    def _in_scalar(self, text: str, at: int) -> int:
        match = _SCALAR.match(text, at)
        end = at if match is None else match.end()
        self._scalar.append(text[at:end])
        if end < len(text):
            self._end_scalar()
        return end

    def _end_scalar(self) -> None:
        if _VALID_SCALAR.fullmatch("".join(self._scalar)) is None:
            self.invalid = True
        else:
            self._end_value()

    def _after(self, text: str, at: int) -> int:
        """After a value inside of a container."""
        at = skip_blanks(text, at)
        if at == len(text):
            return at
        if text[at] == self._open[-1]:
            return self._close(at)
        if text[at] != ",":
            self.invalid = True
            return at
        self._expected = "next key" if self._open[-1] == "}" else "value"
        return at + 1

    def _close(self, at: int) -> int:
        self._open.pop()
        self._end_value()
        return at + 1

    def _end_value(self) -> None:
        if self._open:
            self._expected = "after"
        else:
            self.done = True


_STATES = {
    "value": JsonScanner._value,
    "first item": JsonScanner._value,
    "first key": JsonScanner._key,
    "next key": JsonScanner._key,
    "string": JsonScanner._string,
    "key": JsonScanner._string,
    "string escape": JsonScanner._escape,
    "key escape": JsonScanner._escape,
    "colon": JsonScanner._colon,
    "scalar": JsonScanner._in_scalar,
    "after": JsonScanner._after,
}
