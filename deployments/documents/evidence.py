"""Whether passages answer a question, and by which of their sentences.

In: a question, the passages that a search has found, vectors of the question and of sentences. Out:
the sentences, best first, each with how well it answers; below MIN_EVIDENCE it does not. A passage
that lacks a name or a number of the question is about something else, however alike it sounds.

The weights were fitted to questions about planted facts and checked on others, which were worded in
another way (`./mobula bench content documents --part answers`). Knows no model and no database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import regex

from deployments.text.operation import Vectors
from deployments.text.segments import Place, find_sentences, find_words
from deployments.text.stop_words import STOP_WORDS

MAX_SENTENCES = 40  # of all passages, that are compared with the question by meaning
_MIN_PREFIX = 4  # characters that two forms of one word begin with
_NUMBER = regex.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|"
    r"fifty|sixty|hundred|thousand|million|once|twice|daily|weekly|monthly|yearly|annually|hourly|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|"
    r"august|september|october|november|december|midnight|noon)\b",
    regex.I,
)
_ASKS_NUMBER = regex.compile(
    r"\bhow (?:many|much|long|often|old|heavy|fast|big|large|tall|high|far|hot|cold|wide|deep|soon)\b"
    r"|\bwhen\b|\b(?:what|which) (?:year|date|time|day|month|percentage|price|number)\b",
    regex.I,
)
_ASKS_NAME = regex.compile(r"\b(?:who|whom|whose|where)\b", regex.I)
_CAPITAL = regex.compile(r"\p{Lu}")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `names` are words with capitals or digits, `topics` the other words that say
    something. `wants` is what an answer has to have: a `number`, a `name`, or nothing (empty)."""

    text: str
    names: tuple[str, ...]
    topics: tuple[str, ...]
    wants: str

    @classmethod
    def of(cls, text: str) -> "Question":
        words = [text[start:end] for start, end in find_words(text)]
        said = [word for word in words if word.casefold() not in STOP_WORDS]
        capitals = sum(_CAPITAL.match(word) is not None for word in words)
        is_title = len(words) > 3 and capitals > 0.6 * len(words)
        names = tuple(
            _folded(word)
            for at, word in enumerate(words)
            if word in said and (_has_digit(word) or (at > 0 and not is_title and _is_name(word)))
        )
        topics = tuple(word for word in map(_folded, said) if word not in names)
        wants = (
            "number"
            if _ASKS_NUMBER.search(text)
            else "name"
            if _ASKS_NAME.search(text) and not is_title
            else ""
        )
        return cls(text, names, topics, wants)

    @property
    def without_names(self) -> str:
        """The question about whatever it is about."""
        return _without(self.text, self.names)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of passage `passage` (its index), from `place`."""

    passage: int
    place: Place
    text: str
    words: frozenset[str] = field(repr=False)


def shared_words(wanted: str, text: str) -> float:
    """The share of the telling words of `wanted` that `text` has, in whatever form."""
    return _share(_telling(wanted), _telling(text))


def find_candidates(question: Question, passages: Sequence[str]) -> list[Candidate]:
    """Sentences of the passages, those that share most words with the question first."""
    wanted = (*question.names, *question.topics)
    found = []
    for index, text in enumerate(passages):
        for start, end in find_sentences(text):
            sentence = text[start:end]
            words = frozenset(_telling(sentence))
            found.append((_share(wanted, words), Candidate(index, (start, end), sentence, words)))
    found.sort(key=lambda each: (-each[0], each[1].passage, each[1].place))
    return [candidate for _, candidate in found[:MAX_SENTENCES]]


def _telling(text: str) -> list[str]:
    """Its words without stop words; all where it has no others."""
    words = [_folded(text[start:end]) for start, end in find_words(text)]
    return [word for word in words if word not in STOP_WORDS] or words


def _share(wanted: Sequence[str], words: Iterable[str]) -> float:
    """The share of `wanted` that `words` have; a name or a number counts twice."""
    known = set(words)
    heads = {word[:_MIN_PREFIX] for word in known if len(word) >= _MIN_PREFIX}
    total = have = 0.0
    for word in wanted:
        weight = 2.0 if _has_digit(word) else 1.0
        total += weight
        if word in known or (word[:_MIN_PREFIX] in heads and any(_same(word, o) for o in known)):
            have += weight
    return have / total if total else 0.0


def _same(one: str, other: str) -> bool:
    """Whether they are forms of one word: all but short ends are alike. Numbers have no forms."""
    if one == other:
        return True
    if _has_digit(one) or _has_digit(other):
        return False
    shorter = min(len(one), len(other))
    alike = 0
    while alike < shorter and one[alike] == other[alike]:
        alike += 1
    longest_end = max(len(one), len(other)) - alike
    return alike >= max(_MIN_PREFIX, shorter - 2) and longest_end <= 4


def _folded(word: str) -> str:
    folded = word.casefold().replace("’", "'")
    return folded.removesuffix("'s")


def _has_digit(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _is_name(word: str) -> bool:
    return _CAPITAL.match(word) is not None and len(word) > 1


def _without(text: str, names: Iterable[str]) -> str:
    left = text
    for start, end in reversed(find_words(text)):
        if _folded(text[start:end]) in names:
            left = f"{left[:start]}{left[end:]}"
    return " ".join(left.split())
