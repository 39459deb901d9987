"""A subset of regular expressions to grammar nodes, in one pass over the pattern.

Literals, escapes, classes, groups, alternatives and quantifiers; `^` and `$` at the ends. Anything
else (look-around, back references, word boundaries, flags) is refused by name.
Lazy and greedy quantifiers match the same texts. Where ECMAScript and Python disagree on a class
(`\\d`, `\\w`, `\\s`, `.`), it is what both accept.
"""

from typing import NoReturn

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.model.text.structured.limits import MAX_DEPTH, MAX_REPEATS, MAX_SIZE, size_of
from deployments.model.text.structured.nodes import (
    EMPTY,
    LiteralText,
    Node,
    Ranges,
    alternation,
    character_class,
    concatenation,
    intersect_ranges,
    invert_ranges,
    merge_ranges,
    repetition,
)

MAX_PATTERN = 4_096  # characters

_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Ranges = ((0x09, 0x0D), (0x20, 0x20))
_ASCII: Ranges = ((0x00, 0x7F),)
# White space of Unicode, in ECMAScript or in Python.
_ANY_SPACE = merge_ranges(
    [(0x09, 0x0D), (0x1C, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A)]
    + [(0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]
)
_DOT = invert_ranges([(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)])
_CLASSES: dict[str, Ranges] = {
    "d": _DIGIT,
    "w": _WORD,
    "s": _SPACE,
    "D": intersect_ranges(invert_ranges(_DIGIT), _ASCII),
    "W": intersect_ranges(invert_ranges(_WORD), _ASCII),
    "S": invert_ranges(_ANY_SPACE),
}
_CONTROLS = {"n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B, "0": 0x00}
_HEX = frozenset("0123456789abcdefABCDEF")


def parse_regex(pattern: str, param: str, around: Node = EMPTY) -> Node:
    """The texts that `pattern` matches as a whole.

    `around` is what may stand before and after it where it is not anchored (a search). Raises
    UnsupportedParameter, and InvalidRequest for a broken pattern; both name `param`.
    """
    if len(pattern) > MAX_PATTERN:
        raise InvalidRequest(
            f"{param} has {len(pattern)} characters; the most is {MAX_PATTERN}.", param=param
        )
    node = _Parser(pattern, param, around).parse()
    if size_of(node) > MAX_SIZE:
        raise InvalidRequest(f"{param}: the pattern repeats too much.", param=param)
    return node


class _Parser:
    """Recursive descent; `_at` is the position of the next character."""

    def __init__(self, pattern: str, param: str, around: Node) -> None:
        self._pattern = pattern
        self._param = param
        self._around = around
        self._at = 0
        self._depth = 0

    def parse(self) -> Node:
        options = [self._anchored()]
        while self._take("|"):
            options.append(self._anchored())
        if self._at < len(self._pattern):
            self._broken("an unopened ')'")
        return alternation(*options)

    def _anchored(self) -> Node:
        """An alternative of the whole pattern, with its anchors."""
        before = EMPTY if self._take("^") else self._around
        body = self._sequence()
        after = EMPTY if self._take("$") else self._around
        if self._peek() not in ("", "|", ")"):
            self._refuse("'$' before the end of the pattern")
        return concatenation(before, body, after)

    def _alternatives(self) -> Node:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return alternation(*options)

    def _sequence(self) -> Node:
        items: list[Node] = []
        while self._peek() not in ("", "|", ")"):
            if self._peek() == "$" and not self._depth:
                break
            items.append(self._quantified(self._atom()))
        return concatenation(*items)

    def _quantified(self, item: Node) -> Node:
        bounds = self._quantifier()
        if bounds is None:
            return item
        if self._peek() == "+":
            self._refuse("possessive quantifiers")
        self._take("?")
        if self._quantifier() is not None:
            self._broken("a quantifier after a quantifier")
        least, most = bounds
        if most is not None and most < least:
            self._broken("a repeat whose bounds are in the wrong order")
        if max(least, most or 0) > MAX_REPEATS:
            self._refuse(f"a counted repeat above {MAX_REPEATS}")
        return repetition(item, least, most)

    def _quantifier(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        if self._peek() != "{":
            return None
        end = self._pattern.find("}", self._at)
        low, comma, high = self._pattern[self._at + 1 : end].partition(",")
        if end < 0 or not _is_count(low) or (high and not _is_count(high)):
            self._broken("a '{' that begins no repeat (write it as '\\{')")
        self._at = end + 1
        least = int(low)
        return least, least if not comma else int(high) if high else None

    def _atom(self) -> Node:
        character = self._next()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return character_class(_DOT)
            case "\\":
                escaped = self._escape()
                return character_class(escaped)
            case "^" | "$":
                self._refuse(f"'{character}' inside of the pattern")
            case "*" | "+" | "?" | "{":
                self._broken(f"a '{character}' with nothing to repeat")
        if 0xD800 <= ord(character) <= 0xDFFF:
            self._broken("half of a surrogate pair")
        return LiteralText(character)

    def _group(self) -> Node:
        if self._take("?"):
            if self._take("P<") or (self._peek() == "<" and self._peek(1) not in ("=", "!", "")):
                end = self._pattern.find(">", self._at)
                if end < 0:
                    self._broken("an unfinished group name")
                self._at = end + 1
            elif not self._take(":"):
                self._refuse("look-around, flags and conditions ('(?')")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidRequest(
                f"{self._param}: groups are nested deeper than {MAX_DEPTH}.", param=self._param
            )
        body = self._alternatives()
        if not self._take(")"):
            self._broken("an unclosed '('")
        self._depth -= 1
        return body

    def _class(self) -> Node:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self._peek() != "]":
            first = False
            low = self._class_item()
            if self._peek() == "-" and self._peek(1) not in ("]", "") and _is_single(low):
                self._at += 1
                high = self._class_item()
                if not _is_single(high) or high[0][0] < low[0][0]:
                    self._broken("a range whose bounds are in the wrong order")
                ranges.append((low[0][0], high[0][0]))
            else:
                ranges += low
        self._at += 1
        ranges_of_class = invert_ranges(ranges) if negated else merge_ranges(ranges)
        if not ranges_of_class:
            self._broken("a class without characters")
        return character_class(ranges_of_class)

    def _class_item(self) -> Ranges:
        character = self._next()
        if not character:
            self._broken("an unclosed '['")
        if character == "[" and self._peek() in (":", "=", "."):
            self._refuse("POSIX classes")
        if character != "\\":
            return ((ord(character), ord(character)),)
        if self._take("b"):
            return ((0x08, 0x08),)
        if self._peek() in ("D", "W", "S"):
            return _CLASSES[self._next()]
        return self._escape()

    def _escape(self) -> Ranges:  # noqa: C901 - one case an escape
        character = self._next()
        if character in _CLASSES:
            return _CLASSES[character]
        if character == "x":
            return self._code(2)
        if character == "u":
            if self._take("{"):
                end = self._pattern.find("}", self._at)
                return self._code(end - self._at, closing=1)
            return self._code(4)
        if character == "U":
            return self._code(8)
        if character in _CONTROLS:
            if character == "0" and self._peek().isdigit():
                self._refuse("octal escapes")
            return ((_CONTROLS[character], _CONTROLS[character]),)
        if character.isdigit() or character == "k":
            self._refuse("back references")
        if character in ("b", "B", "A", "Z", "z", "G"):
            self._refuse(f"'\\{character}'")
        if not character or character.isalpha():
            self._refuse(f"the escape '\\{character}'")
        return ((ord(character), ord(character)),)

    def _code(self, digits: int, closing: int = 0) -> Ranges:
        text = self._pattern[self._at : self._at + max(digits, 0)]
        if not 0 < len(text) <= 8 or len(text) < digits or not _HEX.issuperset(text):
            self._broken("an escape without its hexadecimal digits")
        self._at += digits + closing
        code = int(text, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            self._broken("an escape that is no character")
        return ((code, code),)

    def _peek(self, ahead: int = 0) -> str:
        return self._pattern[self._at + ahead : self._at + ahead + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _take(self, expected: str) -> bool:
        if not self._pattern.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedParameter(
            self._param, f"regular expressions here have no {what} (character {self._at})."
        )

    def _broken(self, what: str) -> NoReturn:
        raise InvalidRequest(
            f"{self._param}: the pattern has {what} (character {self._at}).", param=self._param
        )


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _is_single(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]
