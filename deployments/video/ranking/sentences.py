"""The transcript's sentences, their hooks, asked-for words. In: words. Out: sentences."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployments.contracts.media import Transcript, Word
from deployments.video.ranking.hooks import Hook, hook_of

ENDINGS = tuple(".!?…。！？؟।")
PAUSE_S = 1.0  # a longer one ends a sentence, whatever its punctuation
LONGEST = 60  # words: beyond it, captions without punctuation are cut into pieces


@dataclass(frozen=True, slots=True)
class Sentence:
    """`keywords` are those asked for that it holds."""

    start: float
    end: float
    words: tuple[Word, ...]
    text: str
    hook: Hook
    keywords: tuple[str, ...]


def sentences_of(
    transcript: Transcript, keywords: Sequence[str] = (), language: str | None = None
) -> tuple[Sentence, ...]:
    """In order of time. Words without a length or out of order are taken as they come, sorted."""
    wanted = [(keyword, " ".join(keyword.casefold().split())) for keyword in keywords]
    spoken = language or transcript.language
    words = sorted(transcript.words, key=lambda word: (word.start, word.end))
    return tuple(_sentence(group, wanted, spoken) for group in _groups(words))


def _sentence(
    words: list[Word], wanted: Iterable[tuple[str, str]], language: str | None
) -> Sentence:
    text = " ".join(word.text.strip() for word in words)
    folded = " ".join(text.casefold().split())
    hits = tuple(keyword for keyword, folds in wanted if folds and _holds(folded, folds))
    end = max(word.end for word in words)
    return Sentence(words[0].start, end, tuple(words), text, hook_of(text, language), hits)


def _holds(text: str, wanted: str) -> bool:
    """Whether a word of `text` begins with `wanted`; in scripts without spaces, any place does."""
    at = text.find(wanted)
    while at > 0 and text[at - 1].isalnum() and text[at].isascii():
        at = text.find(wanted, at + 1)
    return at >= 0


def _groups(words: Iterable[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and (_closed(group[-1], word) or len(group) >= LONGEST):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _closed(last: Word, following: Word) -> bool:
    told = last.ends_sentence or last.text.rstrip("\"'”’)]» ").endswith(ENDINGS)
    return told or following.start - last.end >= PAUSE_S
