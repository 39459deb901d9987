"""What a search of vector stores finds, and which sentences of an answer say what it says.

In: passages, an answer. Out: citations. A sentence of the answer cites the passages whose numbers
it names as `[2]`, if they say it; one that names none cites the passage that says nearly all of it.
A passage says a sentence if it has its numbers and names, and enough of its other words in one or
two of its own sentences. Knows no model and no database.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import regex

from deployments.text.grounding import find_ungrounded
from deployments.text.segments import find_sentences, find_words
from deployments.text.stop_words import STOP_WORDS

MIN_SHARE = 0.5  # of a sentence's words that the passage which it names has
MIN_SHARE_UNNAMED = 0.8  # the same of a passage that it does not name
MAX_SENTENCES = 200  # of an answer, that citations are found for

AttributeValue = str | float | bool
_MARK = regex.compile(r"\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
_MARKS_BEHIND = regex.compile(r"(?: ?\[[\d\s,;]+\])+")


@dataclass(frozen=True, slots=True)
class FilePassage:
    """A part of a file. `score` is from 0 to 1."""

    file: str
    name: str
    score: float
    text: str = field(repr=False)
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileCitation:
    """The sentence of the answer that ends at code point `index` is in this file."""

    file: str
    name: str
    index: int


def find_citations(answer: str, passages: Sequence[FilePassage]) -> list[FileCitation]:
    """In the order of the answer; each file once at a sentence. Passage n is number n + 1."""
    if not passages:
        return []
    words = [_PassageWords.of(passage.text) for passage in passages]
    found: list[FileCitation] = []
    for sentence, end in _sentences(answer)[:MAX_SENTENCES]:
        plain = _MARK.sub("", sentence)
        numbers = [number for number in _marked(sentence) if number <= len(passages)]
        if numbers:
            cited = [
                number - 1
                for number in numbers
                if words[number - 1].share(plain) >= MIN_SHARE
                and _is_grounded(plain, passages[number - 1])
            ]
        else:
            cited = _best(plain, passages, words)
        files = {passages[index].file: passages[index].name for index in cited}
        found += [FileCitation(file, name, end) for file, name in files.items()]
    return found


@dataclass(frozen=True, slots=True)
class _PassageWords:
    """The words of a passage's sentences; two that follow each other may say it together."""

    sentences: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, text: str) -> "_PassageWords":
        found = [frozenset(_telling(text[start:end])) for start, end in find_sentences(text)]
        pairs = [one | other for one, other in zip(found, found[1:], strict=False)]
        return cls((*found, *pairs))

    def share(self, sentence: str) -> float:
        """Of the sentence's telling words, how many the best place has."""
        wanted = _telling(sentence)
        if not wanted:
            return 0.0
        return max((len(wanted & words) / len(wanted) for words in self.sentences), default=0.0)


def _best(
    sentence: str, passages: Sequence[FilePassage], words: Sequence[_PassageWords]
) -> list[int]:
    shares = [each.share(sentence) for each in words]
    best = max(range(len(shares)), key=lambda index: (shares[index], -index))
    if shares[best] < MIN_SHARE_UNNAMED or not _is_grounded(sentence, passages[best]):
        return []
    return [best]


def _is_grounded(sentence: str, passage: FilePassage) -> bool:
    return not find_ungrounded(sentence, f"{passage.name}\n{passage.text}")


def _sentences(answer: str) -> list[tuple[str, int]]:
    """Each with its end; marks behind its full stop belong to it."""
    found: list[tuple[str, int]] = []
    for start, end in find_sentences(answer):
        late = _MARKS_BEHIND.match(answer, start)
        if late is not None and found and "\n" not in answer[found[-1][1] : start]:
            last, _ = found[-1]  # the marks of the sentence before begin this one
            found[-1] = (last + late[0], late.end())
            start = late.end()
        late = _MARKS_BEHIND.match(answer, end)
        if late is not None:
            end = late.end()
        if answer[start:end].strip():
            found.append((answer[start:end], end))
    return found


def _marked(sentence: str) -> list[int]:
    numbers = [
        int(number)
        for match in _MARK.finditer(sentence)
        for number in regex.findall(r"\d+", match[1])
    ]
    return [number for number in dict.fromkeys(numbers) if number > 0]


def _telling(text: str) -> set[str]:
    words = {text[start:end].casefold() for start, end in find_words(text)}
    return words - STOP_WORDS or words
