"""The sentences of passages that answer a question, and answers as they are sent.

In: passages that a search has found. Out: their sentences, best first; those that can be quoted as
they stand in their blocks; bodies of sentences, citations and passages.
"""

from collections.abc import Sequence
from typing import Any

from deployments.documents.citations import AnswerSentence, Blocks, Citation, Passage, look_up
from deployments.documents.evidence import (
    MIN_EVIDENCE,
    Judged,
    JudgedSource,
    Question,
    find_candidates,
    judge,
    judge_by_words,
    strings_to_embed,
)
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.pipeline.passage_finder import FoundPassages, PassageFinder

MAX_QUOTES = 3  # of an extractive answer
_CLOSE = 0.97  # of the best one's evidence: so good is a further quote


async def judge_passages(
    request: AdmittedRequest, finder: PassageFinder, found: FoundPassages
) -> list[Judged]:
    """The sentences of the passages, those that answer best first."""
    question = Question.of(found.question)
    sources = [
        JudgedSource(passage.text, f"{passage.name}\n{passage.heading}")
        for passage in found.passages
    ]
    candidates = find_candidates(question, sources)
    if not candidates:
        return []
    if not found.model:
        return judge_by_words(question, candidates)
    strings = strings_to_embed(question, candidates)
    unique = list(dict.fromkeys(strings))
    vectors = await finder.embed(request, found.model, unique)
    rows = {text: row for row, text in enumerate(unique)}
    return judge(question, candidates, vectors[[rows[text] for text in strings]])


def quoted_sentences(
    question: Question, passages: Sequence[Passage], judged: Sequence[Judged], blocks: Blocks
) -> list[AnswerSentence]:
    """The best sentences, as they stand in their blocks, in the order of their evidence. Further
    ones have the names and numbers of the question that the first one has."""
    names = set(question.names) & judged[0].candidate.words if judged else set()
    quoted: list[AnswerSentence] = []
    taken: set[str] = set()
    for each in judged:
        is_good = each.evidence >= max(MIN_EVIDENCE, _CLOSE * judged[0].evidence)
        if len(quoted) == MAX_QUOTES or not is_good:
            break
        if not names <= each.candidate.words:
            continue
        sentence = each.candidate.text
        citation = look_up(passages[each.candidate.passage], sentence, blocks)
        same = " ".join(sentence.split()).casefold()
        if citation is not None and same not in taken:  # the overlap of two chunks has it twice
            taken.add(same)
            quoted.append(AnswerSentence(" ".join(citation.quote.split()), (citation,)))
    return quoted


def sentence_body(sentence: AnswerSentence) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "cited": sentence.is_cited,
        "marks": list(dict.fromkeys(sentence.numbers)),
        "removed": list(sentence.removed),
    }


def citation_bodies(sentences: Sequence[AnswerSentence]) -> list[dict[str, Any]]:
    """Each once."""
    found: dict[Citation, None] = {}
    for sentence in sentences:
        found.update(dict.fromkeys(sentence.citations))
    return [citation.body() for citation in found]


def source_body(passage: Passage) -> dict[str, Any]:
    return {
        "number": passage.number,
        "document": passage.document,
        "name": passage.name,
        "page": passage.page,
        "score": round(passage.score, 4),
    }
