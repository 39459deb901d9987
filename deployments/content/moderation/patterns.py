"""Patterns of words, matched in linear time.

A pattern is up to eight elements, separated by spaces: a word, a beginning of words (`bomb*`),
alternatives (`buy|order|get`), or `...` for at most four words of any kind. Words are compared
without case and accents. In: patterns, a text. Out: the scores of the patterns that it contains.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MAX_ELEMENTS = 8
MAX_GAPS = 2
_GAP = "..."
_GAP_WORDS = 4
_SHORTEST_PREFIX = 3
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'", "\uff07": "'"})


class InvalidPattern(ValueError):
    """The text says what is wrong with a pattern."""


@dataclass(frozen=True, slots=True)
class _Element:
    """One word of a text, by its whole or by its beginning."""

    words: frozenset[str]
    prefixes: tuple[str, ...]

    def matches(self, word: str) -> bool:
        return word in self.words or word.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class WordPattern:
    """`elements` with None for a gap; `category` and `score` of a text that has it."""

    elements: tuple[_Element | None, ...]
    category: str
    score: float

    def matches(self, words: Sequence[str], at: int, element: int = 0) -> bool:
        """Whether the elements from `element` on are in `words` from `at` on."""
        elements = self.elements
        while element < len(elements):
            current = elements[element]
            if current is None:
                rest = element + 1
                return any(self.matches(words, at + n, rest) for n in range(_GAP_WORDS + 1))
            if at >= len(words) or not current.matches(words[at]):
                return False
            at, element = at + 1, element + 1
        return True


def parse_pattern(text: str, category: str, score: float) -> WordPattern:
    """Raises InvalidPattern."""
    parts = normalize(text).split()
    if not 0 < len(parts) <= MAX_ELEMENTS:
        raise InvalidPattern(f"'{text[:80]}' has {len(parts)} elements; 1 to {MAX_ELEMENTS} may be")
    if _GAP in (parts[0], parts[-1]) or parts.count(_GAP) > MAX_GAPS:
        raise InvalidPattern(f"'{text[:80]}': '...' stands between words, at most {MAX_GAPS} times")
    elements = tuple(None if part == _GAP else _parse_element(part, text) for part in parts)
    return WordPattern(elements, category, score)


def _parse_element(part: str, pattern: str) -> _Element:
    words, prefixes = set(), []
    for choice in part.split("|"):
        stem = choice.removesuffix("*")
        if not _WORD.fullmatch(stem):
            raise InvalidPattern(f"'{pattern[:80]}': '{choice[:40]}' is no word")
        if stem == choice:
            words.add(stem)
        elif len(stem) < _SHORTEST_PREFIX:
            raise InvalidPattern(
                f"'{pattern[:80]}': '{choice}' needs {_SHORTEST_PREFIX} letters before the '*'"
            )
        else:
            prefixes.append(stem)
    return _Element(frozenset(words), tuple(prefixes))


class PatternIndex:
    """Finds patterns by their first word, so that a text's words are looked at once each."""

    def __init__(self, patterns: Iterable[WordPattern]) -> None:
        self._by_word: dict[str, list[WordPattern]] = {}
        self._by_prefix: dict[str, list[WordPattern]] = {}
        for pattern in patterns:
            first = pattern.elements[0]
            assert first is not None, "a pattern begins with a word"
            for word in first.words:
                self._by_word.setdefault(word, []).append(pattern)
            for prefix in first.prefixes:
                self._by_prefix.setdefault(prefix, []).append(pattern)
        self._lengths = sorted(set(map(len, self._by_prefix)))

    def scores(self, text: str) -> Mapping[str, float]:
        """The highest score of each category that has a pattern in `text`."""
        words = _WORD.findall(normalize(text))
        found: dict[str, float] = {}
        for at, word in enumerate(words):
            for pattern in self._candidates(word):
                best = found.get(pattern.category, 0.0)
                if pattern.score > best and pattern.matches(words, at):
                    found[pattern.category] = pattern.score
        return found

    def _candidates(self, word: str) -> Iterator[WordPattern]:
        yield from self._by_word.get(word, ())
        for length in self._lengths:
            if length > len(word):
                return
            yield from self._by_prefix.get(word[:length], ())


def normalize(text: str) -> str:
    """Compatible characters (NFKD) without case and accents, one kind of apostrophe."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES))
    if not decomposed.isascii():
        decomposed = "".join(c for c in decomposed if not unicodedata.combining(c))
    return decomposed.casefold()
