"""Texts in a form that patterns can be compared with, and where each character came from.

In: text as it is written, with full-width digits, invisible characters and look-alikes. Out: a
folded text, in which each character stands for one or more of the original; characters that cannot
be seen are left out. A character is folded by itself, so a text may be folded in pieces.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_DASHES = "\u2212\u2010\u2011\u2012\u2013\u2014\u2015\u2043\ufe58\ufe63\uff0d\u00ad"
_DOTS = "\u3002\uff0e\uff61\u2024\u06d4"
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u00ad")
# Letters of Cyrillic and Greek, and others, that look like Latin ones (Unicode's confusables).
_PAIRS = (
    "аa еe оo рp сc уy хx ѕs іi јj һh ԁd ԛq ԝw вb нh кk мm тt ӏl "
    "αa οo ρp νv ιi κk τt υu χx εe ηn ıi ɡg ɑa"
)
_LOOK_ALIKES = {pair[0]: pair[1] for pair in _PAIRS.split()}


class FoldingTable(dict[int, str]):
    """For `str.translate`: filled as characters are met."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = self.fold(chr(code))
        return folded

    def fold(self, character: str) -> str:
        """One character, or none for one that cannot be seen."""
        category = unicodedata.category(character)
        if category == "Cf" or character in _FILLERS or 0xFE00 <= ord(character) <= 0xFE0F:
            return ""
        if category == "Cs":
            return "\ufffd"  # half a pair: no pattern can be asked about it
        if character in _DASHES:
            return "-"
        if character in _DOTS:
            return "."
        digit = unicodedata.digit(character, None)
        if digit is not None:
            return str(digit)
        if category == "Zs":
            return " "
        compatible = unicodedata.normalize("NFKC", character)
        return compatible if len(compatible) == 1 else character


class _WordTable(FoldingTable):
    """Also without case, accents and other scripts' look-alikes."""

    def fold(self, character: str) -> str:
        folded = super().fold(character)
        if not folded or unicodedata.category(folded) in ("Mn", "Me"):
            return ""
        base = unicodedata.normalize("NFD", folded)[0].lower()[0]
        return _LOOK_ALIKES.get(base, base)


class _TermTable(_WordTable):
    """Also with spaces for all that is neither letter nor digit, and not in DISGUISES."""

    def fold(self, character: str) -> str:
        folded = super().fold(character)
        return " " if folded and not folded.isalnum() and folded not in DISGUISES else folded


DISGUISES = "@$!"  # what may stand for a letter
PLAIN, WORDS, TERMS = FoldingTable(), _WordTable(), _TermTable()  # how a text may be folded


@dataclass(slots=True)
class FoldedText:
    """`text` was folded; character i of it stands for the original from `starts[i]` to `ends[i]`.
    It may grow at its end, and be cut at its beginning.
    """

    table: FoldingTable
    text: str = ""
    starts: Sequence[int] = ()
    ends: Sequence[int] = ()

    def add(self, text: str, start: int) -> None:
        """More of the original, which begins at `start`."""
        folded = text if text.isascii() and self.table is PLAIN else text.translate(self.table)
        if len(folded) == len(text):
            indexes: Sequence[int] = range(start, start + len(text))
            if unchanged_length(text, self.table):
                self._extend(folded, indexes, range(start + 1, start + len(text) + 1))
                return
        table = self.table
        kept = [at for at, character in enumerate(text, start) if table[ord(character)]]
        self._extend(folded, kept, [at + 1 for at in kept])

    def add_folded(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        """More that was read otherwise, as from JSON; each of its characters is folded here."""
        for character, start, end in zip(text, starts, ends, strict=True):
            folded = self.table[ord(character)]
            if folded:
                self._extend(folded, (start,), (end,))

    def cut(self, count: int) -> None:
        """Forget the first `count` characters."""
        self.text = self.text[count:]
        self.starts, self.ends = self.starts[count:], self.ends[count:]

    def _extend(self, text: str, starts: Sequence[int], ends: Sequence[int]) -> None:
        if not self.text:
            self.text, self.starts, self.ends = text, starts, ends
            return
        self.text += text
        self.starts, self.ends = [*self.starts, *starts], [*self.ends, *ends]


def unchanged_length(text: str, table: FoldingTable) -> bool:
    """Whether each character of a text is folded to exactly one: none to nothing."""
    return text.isascii() or all(table[ord(character)] for character in set(text))


def folded(text: str, table: FoldingTable = PLAIN) -> FoldedText:
    """The whole of a text."""
    whole = FoldedText(table)
    whole.add(text, 0)
    return whole
