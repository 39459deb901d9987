"""Citations: quotes that stand word for word in a block of a document.

In: sentences of an answer with marks such as `[2]`, passages, and the blocks that they come from.
Out: the sentences with the marks that are true, and for each mark a quote with its place. A mark is
true if a sentence of its passage says what the answer's sentence says: it has the numbers and the
names of it, and enough of its other words. Every quote is looked up in the block as the database
has it, before it is answered. Knows no model and no database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import regex

from deployments.documents.evidence import sentences_of, shared_words
from deployments.documents.model import StoredBlock
from deployments.text.grounding import find_ungrounded
from deployments.text.segments import Place, find_sentences

MIN_SUPPORT = 0.5  # of the words of an answer's sentence that its quote has
MAX_QUOTE = 600  # characters
_MARK = regex.compile(r"\s?\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
_QUOTED = regex.compile(r"[\"“„«]([^\"“”„«»]{8,400})[\"”“»]")
_STRICT = regex.compile(
    r"\b(?:zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|"
    r"seven|eigh|nine)teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|"
    r"million|billion|half|dozen|twice|monday|tuesday|wednesday|thursday|friday|saturday|sunday|"
    r"january|february|march|april|june|july|august|september|october|november|december)\b",
    regex.I,
)
_NEGATION = regex.compile(
    r"\b(?:no|not|never|none|nobody|nothing|without|cannot|neither|nor|kein\w*|nicht|nie|ohne)\b"
    r"|n['’]t\b",
    regex.I,
)
_SPACE = regex.compile(r"\s+")
_LATE_MARKS = regex.compile(r"([.!?…。！？]+)((?:\s?\[[\d\s,;]+\])+)")


@dataclass(frozen=True, slots=True)
class Passage:
    """Part `number`, from 1, of what a search has found: a chunk, from code point `start` of block
    `block` up to `end` of block `last_block`. `score` is the search's."""

    number: int
    document: str
    name: str
    page: int
    block: int
    start: int
    last_block: int
    end: int
    text: str
    heading: str = ""
    score: float = 0.0
    vector_score: float | None = None
    text_score: float | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """`quote` is the text of block `block` from code point `start` up to `end`, on page `page`."""

    number: int
    document: str
    name: str
    page: int
    block: int
    start: int
    end: int
    quote: str

    def body(self) -> dict[str, int | str]:
        return {
            "number": self.number,
            "document": self.document,
            "name": self.name,
            "page": self.page,
            "block": self.block,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
        }


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """A sentence of an answer, with its marks. Not `is_cited`: no true mark stands at it.
    `removed` are marks that were not true."""

    text: str
    citations: tuple[Citation, ...] = ()
    removed: tuple[int, ...] = ()

    @property
    def is_cited(self) -> bool:
        return bool(self.citations)

    @property
    def marked_text(self) -> str:
        marks = "".join(f" [{number}]" for number in dict.fromkeys(self.numbers))
        return _with_marks(self.text, marks)

    @property
    def numbers(self) -> list[int]:
        return [citation.number for citation in self.citations]


Blocks = Mapping[tuple[str, int], StoredBlock]  # by document and number


def blocks_of(passages: Iterable[Passage]) -> dict[str, set[int]]:
    """The numbers of the blocks that quotes of these passages may be in, by document."""
    found: dict[str, set[int]] = {}
    for passage in passages:
        numbers = range(passage.block, passage.last_block + 1)
        found.setdefault(passage.document, set()).update(numbers)
    return found


def look_up(passage: Passage, quote: str, blocks: Blocks) -> Citation | None:
    """Where the quote stands in the blocks of the passage; runs of white space count alike. The
    citation has the block's own characters. None: it stands there nowhere."""
    wanted = _SPACE.split(quote.strip())
    if not wanted[0]:
        return None
    pattern = regex.compile(r"\s+".join(map(regex.escape, wanted)))
    for number in range(passage.block, passage.last_block + 1):
        block = blocks.get((passage.document, number))
        if block is None:
            continue
        first = passage.start if number == passage.block else 0
        last = passage.end if number == passage.last_block else len(block.text)
        match = pattern.search(block.text, first, last)
        if match is not None:
            return Citation(
                passage.number,
                passage.document,
                passage.name,
                block.page,
                number,
                match.start(),
                match.end(),
                match[0],
            )
    return None


def verify_sentence(
    sentence: str, passages: Mapping[int, Passage], blocks: Blocks
) -> AnswerSentence:
    """The sentence with those of its marks that are true."""
    numbers = marks_of(sentence)
    plain = without_marks(sentence)
    citations: list[Citation] = []
    for number in numbers:
        passage = passages.get(number)
        found = None if passage is None else _support(plain, passage, blocks)
        if found is not None:
            citations.append(found)
    true = {citation.number for citation in citations}
    removed = tuple(number for number in numbers if number not in true)
    return AnswerSentence(plain, tuple(citations), removed)


def cite_text(text: str, passages: Sequence[Passage], blocks: Blocks) -> list[Citation]:
    """A quote for each sentence of a text without marks that a passage says, each once."""
    found: dict[Citation, None] = {}
    for start, end in find_sentences(text):
        for passage in passages:
            citation = _support(text[start:end], passage, blocks)
            if citation is not None:
                found[citation] = None
                break
    return list(found)


def marks_of(text: str) -> list[int]:
    """The numbers of its marks, each once, in order."""
    found = [
        int(number) for match in _MARK.finditer(text) for number in regex.findall(r"\d+", match[1])
    ]
    return list(dict.fromkeys(found))


def without_marks(text: str) -> str:
    return str(_MARK.sub("", text)).strip()


def split_answer(answer: str) -> list[str]:
    """Its sentences; marks behind the end of one belong to it."""
    moved = _LATE_MARKS.sub(r"\2\1", answer)
    return [moved[start:end] for start, end in find_sentences(moved)]


def _support(sentence: str, passage: Passage, blocks: Blocks) -> Citation | None:
    """The place of the passage that says what the sentence says."""
    quoted = [match[1] for match in _QUOTED.finditer(sentence)]
    for quote in quoted:
        if look_up(passage, quote, blocks) is None:
            return None
    if find_ungrounded(sentence, _context(passage)):
        return None
    best = _best_place(sentence, passage.text)
    if best is None:
        return None
    return look_up(passage, passage.text[best[0] : best[1]], blocks)


def _context(passage: Passage) -> str:
    return f"{passage.name}\n{passage.heading}\n{passage.text}"


def _best_place(sentence: str, text: str) -> Place | None:
    """The sentence of `text` that has the most of the words; None: none has enough of them. Two
    that follow each other may say it together, on one line."""
    places = [place for place in sentences_of(text) if place[1] - place[0] <= MAX_QUOTE]
    best: tuple[float, int, Place] | None = None
    strict = _strict_words(sentence)
    for at, place in enumerate(places):
        joined = [place]
        if at + 1 < len(places) and "\n" not in text[place[0] : places[at + 1][1]]:
            joined.append((place[0], places[at + 1][1]))
        for length, candidate in enumerate(joined):
            quote = text[candidate[0] : candidate[1]]
            if not _says_the_same(sentence, strict, quote):
                continue
            share = shared_words(sentence, quote)
            if best is None or (share, -length) > best[:2]:
                best = (share, -length, candidate)
    return None if best is None or best[0] < MIN_SUPPORT else best[2]


def _says_the_same(sentence: str, strict: frozenset[str], quote: str) -> bool:
    """Whether the quote has the numbers, days and months of the sentence, and says yes or no as
    it does."""
    if _is_negative(sentence) != _is_negative(quote) or not strict <= _strict_words(quote):
        return False
    return all(part.kind != "number" for part in find_ungrounded(sentence, quote))


def _strict_words(text: str) -> frozenset[str]:
    return frozenset(match.casefold() for match in _STRICT.findall(text))


def _is_negative(text: str) -> bool:
    return _NEGATION.search(text) is not None


def _with_marks(text: str, marks: str) -> str:
    """The marks stand before the punctuation at the end."""
    end = len(text)
    while end and text[end - 1] in ".!?…。！？":
        end -= 1
    return f"{text[:end]}{marks}{text[end:]}"


def joined_answer(sentences: Sequence[AnswerSentence]) -> str:
    return " ".join(sentence.marked_text for sentence in sentences)
