"""Sentences of a transcript, with their hooks and keywords: words in, sentences out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployments.contracts.media import Transcript, Word
from deployments.video.ranking.hooks import Hook, hook_of

ENDINGS = tuple(".!?…。！？؟।")
PAUSE_S = 1.0  # a longer one ends a sentence, whatever its punctuation
MAX_WORDS = 60  # of a sentence; longer texts without punctuation are split


@dataclass(frozen=True, slots=True)
class Sentence:
    """`keywords` are the requested ones that it contains."""

    start: float
    end: float
    words: tuple[Word, ...]
    text: str
    hook: Hook
    keywords: tuple[str, ...]


def sentences_of(
    transcript: Transcript, keywords: Sequence[str] = (), language: str | None = None
) -> tuple[Sentence, ...]:
    """In order of time. Words without a length or out of order are sorted."""
    keywords_folded = [(keyword, " ".join(keyword.casefold().split())) for keyword in keywords]
    language_of_text = language or transcript.language
    words = sorted(transcript.words, key=lambda word: (word.start, word.end))
    return tuple(_sentence(group, keywords_folded, language_of_text) for group in _groups(words))


def _sentence(
    words: list[Word], keywords: Iterable[tuple[str, str]], language: str | None
) -> Sentence:
    text = " ".join(word.text.strip() for word in words)
    folded = " ".join(text.casefold().split())
    matches = tuple(
        keyword for keyword, folds in keywords if folds and _contains_word(folded, folds)
    )
    end = max(word.end for word in words)
    return Sentence(words[0].start, end, tuple(words), text, hook_of(text, language), matches)


def _contains_word(text: str, wanted: str) -> bool:
    """Whether a word of `text` begins with `wanted`; in scripts without spaces, at any position."""
    index = text.find(wanted)
    while index > 0 and text[index - 1].isalnum() and text[index].isascii():
        index = text.find(wanted, index + 1)
    return index >= 0


def _groups(words: Iterable[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and (_is_end(group[-1], word) or len(group) >= MAX_WORDS):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _is_end(last: Word, following: Word) -> bool:
    has_ending = last.ends_sentence or last.text.rstrip("\"'”’)]» ").endswith(ENDINGS)
    return has_ending or following.start - last.end >= PAUSE_S
