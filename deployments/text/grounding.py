"""Grounding: whether what a model's answer names is in the text that it was made from.

Flows in: an answer and its source. Flows out: the numbers, names, addresses and handles of the
answer that the source does not have. A name is a word with a capital letter inside a sentence, or
any word that is written in capitals or with digits. Knows nothing of meaning: an answer may pass
and still be wrong.
"""

from collections.abc import Iterator

import regex

from deployments.contracts.text_analysis import TextPart
from deployments.text.segments import find_sentences, find_urls, mask_links

MAX_FOUND = 50
_HANDLE = regex.compile(r"(?<![\w&])[@#＃][\w\p{M}]++")
_EMAIL = regex.compile(r"(?<!\S)[^\s@]{1,64}@[^\s@]{1,190}")
_NUMBER = regex.compile(r"(?<![\p{L}\p{N}])\p{Nd}[\p{Nd}]*+(?:[.,:/’' \u00a0\u202f]\p{Nd}++)*+")
_WORD = regex.compile(
    r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*+(?:['’\-&][\p{L}\p{N}][\p{L}\p{M}\p{N}]*+)*+"
)
_POSSESSIVE = regex.compile(r"['’]s\Z", regex.I)
_SEPARATORS = regex.compile(r"[,’' \u00a0\u202f]")
_DIGITS = "zero one two three four five six seven eight nine ten eleven twelve"
_SPELLED = {word: str(number) for number, word in enumerate(_DIGITS.split())}


def find_ungrounded(answer: str, source: str) -> list[TextPart]:
    """Parts of `answer` in its order, of the kinds `url`, `handle`, `number` and `name`; at most
    MAX_FOUND. Takes time linear in the length of both."""
    known = _Known(source)
    found = [part for part in _claims(answer) if not known.has(part)]
    return sorted(found, key=lambda part: part.start)[:MAX_FOUND]


class _Known:
    """What a source has, folded for comparison."""

    def __init__(self, source: str) -> None:
        self._folded = source.casefold()
        self._words = {_folded_word(match[0]) for match in _WORD.finditer(source)}
        self._pieces = {piece for word in self._words for piece in regex.split(r"[-&]", word)}
        self._numbers = {_folded_number(match[0]) for match in _NUMBER.finditer(source)}
        self._numbers |= {_SPELLED[word] for word in self._words & _SPELLED.keys()}

    def has(self, part: TextPart) -> bool:
        if part.kind == "number":
            return _folded_number(part.text) in self._numbers
        if part.kind == "name":
            word = _folded_word(part.text)
            return word in self._words or word in self._pieces or self._joins(word)
        folded = part.text.casefold()
        return folded in self._folded or folded.lstrip("@#＃") in self._words

    def _joins(self, word: str) -> bool:
        """Whether the word is several of the source's with hyphens between them."""
        pieces = regex.split(r"[-&]", word)
        return len(pieces) > 1 and all(piece in self._pieces for piece in pieces)


def _claims(answer: str) -> Iterator[TextPart]:
    for start, end in find_urls(answer):
        yield TextPart(start, end, answer[start:end], "url")
    for pattern, kind in ((_EMAIL, "url"), (_HANDLE, "handle")):
        for match in pattern.finditer(answer):
            found = match[0].rstrip(".,;:!?'\"”’)]")
            yield TextPart(match.start(), match.start() + len(found), found, kind)
    plain = _EMAIL.sub(lambda match: " " * len(match[0]), mask_links(answer))
    for match in _NUMBER.finditer(plain):
        yield TextPart(match.start(), match.end(), match[0], "number")
    for start, end in find_sentences(plain):
        yield from _names(plain, start, end)


def _names(text: str, start: int, end: int) -> Iterator[TextPart]:
    """Of one sentence. Its first word is a name only if it is written as no other word is."""
    for place, match in enumerate(_WORD.finditer(text, start, end)):
        word = match[0]
        has_inner = any(letter.isupper() or letter.isdigit() for letter in word[1:])
        is_capital = word[0].isupper() and len(word) > 1 and place > 0
        if word[0].isalpha() and (has_inner or is_capital):
            yield TextPart(match.start(), match.end(), word, "name")


def _folded_word(word: str) -> str:
    return _POSSESSIVE.sub("", word).casefold().replace("’", "'")


def _folded_number(number: str) -> str:
    """Without separators of thousands; 1,500 is 1500, and 2.50 is 2.5."""
    plain = _SEPARATORS.sub("", number)
    whole, point, decimals = plain.partition(".")
    if not point or not decimals.isdigit():
        return plain
    if len(decimals) == 3 and whole != "0":
        return whole + decimals  # 1.500, as most of Europe writes it
    decimals = decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole
