"""How well documents answer: planted facts asked for in other words, and questions without answer.

In: an application with the planted documents. Out: whether the right passage is found, whether
every quote stands in its document word for word, what is refused, and what of a model's lies is let
through.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.document_application import (
    DocumentApplication,
    WordVectors,
    start_documents,
)
from load_tests.benchmarks.content.planted_facts import PlantedCorpus, PlantedQuestion, plant_facts
from load_tests.benchmarks.content.stub_answers import MADE_UP, LyingModel
from training.heads.embedding import LocalEmbedder

SEED = 11  # not those that the weights of evidence were fitted on
TOP = 5


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """`answerable` and `unanswerable` questions of each wording; the model is asked every
    `model_every`-th of the first."""

    answerable: int = 200
    unanswerable: int = 50
    model_every: int = 2


@dataclass(slots=True)
class _Tally:
    """`missed` are questions that were refused, or answered by something else than the fact."""

    asked: int = 0
    passages: int = 0
    facts: int = 0
    unanswerable: int = 0
    refused: int = 0
    quotes: int = 0
    verbatim: int = 0
    cited_lies: int = 0
    lies: int = 0
    took_s: list[float] = field(default_factory=list)


async def measure_answers(
    options: AnswerOptions, vectors: LocalEmbedder | WordVectors, log: Callable[[str], None]
) -> list[Measurement]:
    """Of both ways of saying and asking."""
    extractive, by_model = _Tally(), _Tally()
    for wording in (0, 1):
        corpus = plant_facts(
            SEED + wording, options.answerable, options.unanswerable, wording=wording
        )
        log(f"wording {wording + 1}: {len(corpus.documents)} documents are read and indexed")
        with TemporaryDirectory() as folder:
            async with start_documents(Path(folder), LyingModel(), vectors) as application:
                await _ask(application, corpus, options, extractive, by_model, log)
    return [*_measured("extractive", extractive), *_measured("model", by_model)]


async def _ask(
    application: DocumentApplication,
    corpus: PlantedCorpus,
    options: AnswerOptions,
    extractive: _Tally,
    by_model: _Tally,
    log: Callable[[str], None],
) -> None:
    blocks: dict[str, Mapping[int, str]] = {}
    for document in corpus.documents:
        added = await application.add(f"{document.name}.md", document.pages)
        blocks[added["id"]] = await application.blocks(added["id"])
    log(f"{len(corpus.questions)} questions are asked")
    for at, question in enumerate(corpus.questions):
        await _ask_one(application, question, "extractive", blocks, extractive)
        if at % options.model_every == 0:
            await _ask_one(application, question, "model", blocks, by_model)


async def _ask_one(
    application: DocumentApplication,
    question: PlantedQuestion,
    method: str,
    blocks: Mapping[str, Mapping[int, str]],
    tally: _Tally,
) -> None:
    since = time.perf_counter()
    answer = await application.ask(question.text, method=method, passages=TOP)
    tally.took_s.append(time.perf_counter() - since)
    for citation in answer["citations"]:
        text = blocks[citation["document"]][citation["block"]]
        tally.quotes += 1
        tally.verbatim += text[citation["start"] : citation["end"]] == citation["quote"]
    if question.fact is None:
        tally.unanswerable += 1
        tally.refused += not answer["found"]
        return
    tally.asked += 1
    places = {(source["document"], source["page"]) for source in answer["sources"]}
    tally.passages += _place_of(question.fact, blocks, answer) in places
    tally.facts += any(question.fact in citation["quote"] for citation in answer["citations"])
    for sentence in answer["sentences"]:
        if _is_lie(sentence, question):
            tally.lies += 1
            tally.cited_lies += sentence["cited"]


def _place_of(
    fact: str, blocks: Mapping[str, Mapping[int, str]], answer: Mapping[str, Any]
) -> tuple[str, int]:
    """The document and the page of a fact: every page has three blocks."""
    for document, texts in blocks.items():
        for number, text in texts.items():
            if fact in text:
                return document, number // 3 + 1
    return "", 0


def _is_lie(sentence: Mapping[str, Any], question: PlantedQuestion) -> bool:
    text, value = str(sentence["text"]), question.value
    if MADE_UP in text:
        return True
    value = question.value
    return value is not None and not text.startswith("According") and value not in text


def _measured(part: str, tally: _Tally) -> list[Measurement]:
    took = sorted(tally.took_s)
    found = [
        Measurement(
            part,
            f"the fact's passage is in the top {TOP}",
            tally.passages / max(1, tally.asked),
            at_least=0.98,
        ),
        Measurement(part, "answers that quote the fact", tally.facts / max(1, tally.asked)),
        Measurement(
            part,
            "quotes that stand in their document",
            tally.verbatim / max(1, tally.quotes),
            at_least=1.0,
        ),
        Measurement(
            part,
            "questions without an answer that are refused",
            tally.refused / max(1, tally.unanswerable),
            at_least=0.95,
        ),
        Measurement(part, "median of a question", 1_000 * took[len(took) // 2], "ms"),
    ]
    if part == "model":
        found.append(
            Measurement(
                part, f"of {tally.lies} lies of the model cited", tally.cited_lies, at_most=0.0
            )
        )
    return found
