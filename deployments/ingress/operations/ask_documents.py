"""`ask_documents`: answers a question from documents, with citations.

    passages -> their sentences are judged -> below MIN_EVIDENCE: not in these documents
             -> the best sentences, word for word; or a text model, whose every sentence is checked

Every quote is looked up in the document's block, as the database has it now, before it is answered.
A mark of a model without a true quote is removed, a sentence without a mark is said to be one, and
of an answer without any true mark the extractive one takes the place.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from cluster.runtime.problems import PromptTooLong, UnknownModel
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import GenerateRequest, Sampling, TokenUsage
from deployments.documents.citations import (
    AnswerSentence,
    Blocks,
    joined_answer,
    split_answer,
    verify_sentence,
)
from deployments.documents.evidence import (
    MIN_EVIDENCE,
    Judged,
    Question,
)
from deployments.documents.prompts import (
    MIN_CONTEXT,
    NOT_FOUND,
    answer_messages,
    answer_tokens,
    passages_that_fit,
)
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import DocumentServices, require_documents
from deployments.ingress.http.streaming import Events
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.operations.chat import usage_body
from deployments.ingress.operations.content_models import ContentModels
from deployments.ingress.operations.judged_passages import (
    citation_bodies,
    judge_passages,
    quoted_sentences,
    sentence_body,
    source_body,
)
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.pipeline.passage_finder import FoundPassages, PassageFinder, PassageQuery
from deployments.ingress.schemas.documents import AskDocumentsRequest

BY = "extractive-answer@1"
NOT_IN_THESE = "The answer is not in these documents."

Method = Literal["extractive", "model"]


@dataclass(frozen=True, slots=True)
class AnswerPorts:
    """What answers are made with."""

    documents: DocumentServices | None
    embeddings: EmbeddingPipeline
    pipeline: ModelPipeline
    writers: ContentModels
    models: ModelRegistry


@dataclass(slots=True)
class _Ground:
    """What an answer stands on."""

    found: FoundPassages
    judged: Sequence[Judged] = ()
    blocks: Blocks = field(default_factory=dict)

    @property
    def evidence(self) -> float:
        return self.judged[0].evidence if self.judged else 0.0

    def quotes(self) -> list[AnswerSentence]:
        """The extractive answer."""
        question = Question.of(self.found.question)
        return quoted_sentences(question, self.found.passages, self.judged, self.blocks)

    @property
    def answers(self) -> bool:
        return self.evidence >= MIN_EVIDENCE


@dataclass(slots=True)
class _Answer:
    """An answer while it is made."""

    method: Method
    by: str
    sentences: list[AnswerSentence] = field(default_factory=list)
    usage: TokenUsage = field(default_factory=TokenUsage)
    found: bool = True
    fallback: str | None = None


class AskDocuments:
    """Answers a question from documents. Every quote stands in a document word for word. With
    `stream` it answers with the events started, sources, one `sentence` each as soon as it is
    checked, completed or error."""

    schema = AskDocumentsRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.DOCUMENTS_READ
    can_stream = True

    def __init__(self, ports: AnswerPorts) -> None:
        self._ports = ports

    async def answer(self, request: AdmittedRequest, body: AskDocumentsRequest) -> dict[str, Any]:
        """Raises NotFound, DocumentNotIndexed, NotInstalled, and what searches and models do."""
        answer: dict[str, Any] = {}
        async with aclosing(self.events(request, body)) as events:
            async for _, data in events:
                answer = data
        return answer

    async def events(self, request: AdmittedRequest, body: AskDocumentsRequest) -> Events:
        """started, sources, sentence, completed."""
        documents = require_documents(self._ports.documents)
        finder = PassageFinder(documents, self._ports.embeddings)
        request.varies = True  # the same question may find other documents another time
        model = await self._model(request, body)
        ground = await self._ground(request, body, finder)  # refusals come before the first event
        yield "started", {"method": "extractive" if model is None else "model"}
        yield "sources", {"sources": list(map(source_body, ground.found.passages))}
        answer = _Answer("extractive", BY)
        if not ground.answers:
            answer.found = False
        elif model is None:
            answer.sentences = ground.quotes()
        else:
            written = self._written(request, model, ground, answer)
            try:
                async with aclosing(written) as sentences:
                    async for sentence in sentences:
                        yield "sentence", sentence_body(sentence)
            except PromptTooLong:
                answer.fallback = f"Model '{model}' has no room for a passage."
            _check_written(answer, ground)
        if not any(sentence.is_cited for sentence in answer.sentences):
            answer.found, answer.sentences = False, []
        _count(documents, answer)
        if answer.method == "extractive":
            for sentence in answer.sentences:
                yield "sentence", sentence_body(sentence)
        yield "completed", _body(request, ground, answer)

    async def _model(self, request: AdmittedRequest, body: AskDocumentsRequest) -> str | None:
        """The text model to ask; None: the answer is extractive. Raises UnknownModel for one that
        is named, Forbidden for a caller who may ask none."""
        if body.method == "model":
            request.require(Scope.GENERATE)
        if body.method == "extractive" or not request.caller.allows(Scope.GENERATE):
            return None
        try:
            model = self._ports.writers.resolve_name(request, body.model, (body.question,))
        except UnknownModel:
            if body.method == "model" or body.model:
                raise
            return None
        if body.method is None and 0 < await self._context(model) < MIN_CONTEXT:
            return None
        return model

    async def _context(self, model: str) -> int:
        """Tokens that it reads; 0: not known."""
        return (await self._ports.models.card(model)).context_length

    async def _ground(
        self, request: AdmittedRequest, body: AskDocumentsRequest, finder: PassageFinder
    ) -> _Ground:
        query = PassageQuery(body.question, body.documents, body.collection, body.passages)
        found = await finder.find(request, query)
        judged = await judge_passages(request, finder, found)
        ground = _Ground(found, judged)
        if ground.answers:
            ground.blocks = await finder.blocks(request, found.passages)
        return ground

    async def _written(
        self, request: AdmittedRequest, model: str, ground: _Ground, answer: _Answer
    ) -> AsyncGenerator[AnswerSentence, None]:
        """The sentences that the model writes, each when it is complete and checked."""
        context, question = await self._context(model), ground.found.question
        passages = passages_that_fit(question, ground.found.passages, context)
        known = {passage.number: passage for passage in passages}
        generate = GenerateRequest(
            request_id=request.request_id,
            caller=request.caller,
            model=model,
            sampling=Sampling(max_tokens=answer_tokens(context), temperature=0.0),
            messages=answer_messages(question, passages),
            timeout_s=request.timeout_s("ingress"),
            priority=request.priority,
        )
        answer.method, answer.by = "model", model
        text, done = "", 0
        async with aclosing(self._ports.pipeline.bind(request).stream(generate)) as chunks:
            async for chunk in chunks:
                answer.usage = chunk.usage or answer.usage
                text += chunk.text
                if not chunk.text or text.lstrip().startswith(NOT_FOUND[: len(text.lstrip())]):
                    continue
                for sentence in split_answer(text)[done:-1]:
                    done += 1
                    answer.sentences.append(verify_sentence(sentence, known, ground.blocks))
                    yield answer.sentences[-1]
        if NOT_FOUND in text:
            answer.found, answer.sentences = False, []
            return
        for sentence in split_answer(text)[done:]:
            answer.sentences.append(verify_sentence(sentence, known, ground.blocks))
            yield answer.sentences[-1]


def _check_written(answer: _Answer, ground: _Ground) -> None:
    """In place of what cannot be given, the extractive answer."""
    if not answer.found or any(sentence.is_cited for sentence in answer.sentences):
        return
    if answer.fallback is None:
        answer.fallback = f"Model '{answer.by}' wrote nothing that the passages say."
    answer.method, answer.by = "extractive", BY
    answer.sentences = ground.quotes()


def _count(documents: DocumentServices, answer: _Answer) -> None:
    cited = removed = 0
    if answer.method == "model":
        cited = sum(len(sentence.citations) for sentence in answer.sentences)
        removed = sum(len(sentence.removed) for sentence in answer.sentences)
    kind: Any = answer.method
    if not answer.found:
        kind = "not_found"
    elif answer.fallback is not None:
        kind = "fallback"
    documents.figures.add_answer(kind, cited, removed)


def _body(request: AdmittedRequest, ground: _Ground, answer: _Answer) -> dict[str, Any]:
    reason = None
    if not answer.found:
        reason = _reason(ground)
    return {
        "object": "document.answer",
        "id": f"answer-{request.request_id}",
        "created": request.created,
        "found": answer.found,
        "answer": joined_answer(answer.sentences) if answer.found else NOT_IN_THESE,
        "method": answer.method,
        "by": answer.by,
        "reason": reason,
        "fallback": answer.fallback,
        "evidence": ground.evidence,
        "sentences": list(map(sentence_body, answer.sentences)),
        "citations": citation_bodies(answer.sentences),
        "sources": list(map(source_body, ground.found.passages)),
        "usage": usage_body(answer.usage),
    }


def _reason(ground: _Ground) -> str:
    if not ground.found.passages:
        return "No passage was found."
    if not ground.answers:
        return (
            f"The best sentence answers the question with {ground.evidence:.2f}; "
            f"{MIN_EVIDENCE:.2f} is the least."
        )
    return "No sentence could be quoted."
