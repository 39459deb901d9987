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

from deployments.contracts.embedding import Vectors
from deployments.text.segments import Place, find_sentences, find_words
from deployments.text.stop_words import STOP_WORDS

MIN_EVIDENCE = 0.78  # below it a question is not answered
MAX_SENTENCES = 40  # of all passages, that are compared with the question by meaning
_WEIGHTS = (8.3, 9.8, 10.3, 2.3)  # of the two cosines, of the names, of what an answer has to have
_BIAS = -19.5
_NEARBY = 0.9  # how much names count that stand above a sentence which names nothing else
_MIN_PREFIX = 4  # characters that two forms of one word begin with
_NUMBER = regex.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|"
    r"fifty|sixty|hundred|thousand|million|once|twice|daily|weekly|monthly|yearly|annually|hourly|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|"
    r"august|september|october|november|december|midnight|noon)\b",
    regex.I,
)
_ASKS_NUMBER = regex.compile(
    r"\bhow (?:many|much|long|often|old|heavy|fast|big|large|tall|high|far|hot|cold|wide|deep|"
    r"soon)\b|\bwhen\b|\b(?:what|which) (?:year|date|time|day|month|percentage|price|number)\b",
    regex.I,
)
_ASKS_NAME = regex.compile(r"\b(?:who|whom|whose|where)\b", regex.I)
_FULL_LINE = regex.compile(r"([^\n\t]{50,}[^\n\t.!?:;…])\n(?=[^\n\t]+(?:\n|\Z))")
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of passage `passage` (its index), from `place`. `words` are its telling words,
    `above` those of the sentence before it and of the passage's headings."""

    passage: int
    place: Place
    text: str
    words: frozenset[str] = field(repr=False)
    above: frozenset[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence and how well it answers the question, from 0 to 1."""

    candidate: Candidate
    evidence: float


@dataclass(frozen=True, slots=True)
class JudgedSource:
    """A passage to be judged: its text, and all that says what it is about (headings, the name of
    its document)."""

    text: str
    about: str = ""


def shared_words(wanted: str, text: str) -> float:
    """The share of the telling words of `wanted` that `text` has, in whatever form."""
    return _share(_telling(wanted), _telling(text))


def find_candidates(question: Question, sources: Sequence[JudgedSource]) -> list[Candidate]:
    """Sentences of the passages that have all names of the question; those that share most words
    with it first, at most MAX_SENTENCES."""
    wanted = (*question.names, *question.topics)
    found: list[tuple[float, Candidate]] = []
    for index, source in enumerate(sources):
        about = _telling(source.about)
        known = [*about, *_telling(source.text)]
        if question.names and _share(question.names, known) < 1.0:
            continue
        before: list[str] = []
        for start, end in sentences_of(source.text):
            sentence = source.text[start:end]
            words = _telling(sentence)
            candidate = Candidate(
                index, (start, end), sentence, frozenset(words), frozenset([*about, *before])
            )
            found.append((_share(wanted, words), candidate))
            before = words
    found.sort(key=lambda each: (-each[0], each[1].passage, each[1].place))
    return [candidate for _, candidate in found[:MAX_SENTENCES]]


def strings_to_embed(question: Question, candidates: Sequence[Candidate]) -> list[str]:
    """The question and the sentences, each as it is and without the names of the question."""
    texts = [question.text, *(candidate.text for candidate in candidates)]
    return [*texts, *(_without(text, question.names) or text for text in texts)]


def judge(question: Question, candidates: Sequence[Candidate], vectors: Vectors) -> list[Judged]:
    """Best first. `vectors` are those of `strings_to_embed`."""
    count = len(candidates) + 1
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = vectors / np.maximum(lengths, 1e-9)
    whole, bare = rows[:count], rows[count:]
    features = np.column_stack(
        [
            whole[1:] @ whole[0],
            bare[1:] @ bare[0],
            [_names(question, candidate) for candidate in candidates],
            [_has_wanted(question, candidate) for candidate in candidates],
        ]
    )
    evidence = 1 / (1 + np.exp(-(features @ np.array(_WEIGHTS) + _BIAS)))
    judged = [
        Judged(candidate, round(float(score), 4))
        for candidate, score in zip(candidates, evidence, strict=True)
    ]
    return sorted(judged, key=lambda each: (-each.evidence, each.candidate.passage))


def judge_by_words(question: Question, candidates: Sequence[Candidate]) -> list[Judged]:
    """The same without an embedding model: by the share of words, and nothing finer."""
    wanted = (*question.names, *question.topics)
    judged = [
        Judged(
            candidate,
            round(
                _share(wanted, candidate.words | candidate.above)
                * (1.0 if _has_wanted(question, candidate) else 0.5),
                4,
            ),
        )
        for candidate in candidates
    ]
    return sorted(judged, key=lambda each: (-each.evidence, each.candidate.passage))


def _names(question: Question, candidate: Candidate) -> float:
    """The share of the question's names that the sentence has, or that stand above it."""
    if not question.names:
        return 1.0
    own = _share(question.names, candidate.words)
    if _other_names(question, candidate):
        return own
    nearby = _share(question.names, candidate.words | candidate.above)
    return max(own, _NEARBY * nearby)


def _other_names(question: Question, candidate: Candidate) -> bool:
    """Whether the sentence names something else, inside of it."""
    words = [candidate.text[start:end] for start, end in find_words(candidate.text)]
    return any(_is_name(word) and not _has_digit(word) for word in words[1:]) and not (
        _share(question.names, candidate.words) > 0
    )


def _has_wanted(question: Question, candidate: Candidate) -> bool:
    if question.wants == "number":
        return _NUMBER.search(_without(candidate.text, question.names)) is not None
    if question.wants == "name":
        words = [candidate.text[start:end] for start, end in find_words(candidate.text)]
        return any(
            _is_name(word)
            and _folded(word) not in question.names
            and word.casefold() not in STOP_WORDS
            for word in words
        )
    return True


def sentences_of(text: str) -> list[Place]:
    """Sentences, also those that go on in the next line: a long line that ends without punctuation
    was broken where it was full. Lines of tables, and short ones, are by themselves."""
    return find_sentences(_FULL_LINE.sub(r"\1 ", text))


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
