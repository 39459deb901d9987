"""Captions and posts that are written from documents.

In: a brief that names documents or a collection. Out: the passages that are about its topic, as the
prompt has them; and for each text that is written, the quotes that say what it says. A sentence
without one is the model's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.runtime.problems import InvalidRequest
from cluster.tenants.caller import Scope
from deployments.content.results import ContentRequest
from deployments.documents.citations import Blocks, Passage, cite_text
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import DocumentServices, require_documents
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.operations.content_models import Item
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.passage_finder import PassageFinder, PassageQuery
from deployments.ingress.schemas.content import PostItem

MAX_PASSAGES = 4
MAX_CHARACTERS = 6_000  # of all passages in a prompt
_SHARE = 2  # of a model's context, as a divisor
_CHARACTERS_A_TOKEN = 3


@dataclass(frozen=True, slots=True)
class BriefSources:
    """`texts` are what the prompt has of the passages."""

    passages: Sequence[Passage]
    blocks: Blocks
    texts: tuple[str, ...]


class ContentSources:
    """`documents` None: there is no store, and nothing can be named."""

    def __init__(
        self,
        documents: DocumentServices | None,
        embeddings: EmbeddingPipeline,
        models: ModelRegistry,
    ) -> None:
        self._documents = documents
        self._embeddings = embeddings
        self._models = models

    async def find(
        self, request: AdmittedRequest, item: Item, model: str, param: str = ""
    ) -> BriefSources | None:
        """None: the brief names none. `param` is where the item stands in the body. Raises
        Forbidden, NotFound, DocumentNotIndexed, InvalidRequest where nothing is found, and what
        limits and the search raise."""
        if not item.has_sources:
            return None
        request.require(Scope.DOCUMENTS_READ)
        request.varies = True  # documents change
        finder = PassageFinder(require_documents(self._documents), self._embeddings)
        text = " ".join(filter(None, (item.topic, _draft(item)))).strip()
        if not text:
            raise InvalidRequest(
                f"{param}topic: is needed to find passages.", param=f"{param}topic"
            )
        query = PassageQuery(text[:2_000], item.documents, item.collection, MAX_PASSAGES)
        passages = (await finder.find(request, query)).passages
        if not passages:
            field = "documents" if item.documents is not None else "collection"
            raise InvalidRequest(f"{param}{field}: nothing was found.", param=f"{param}{field}")
        texts = _fitting(passages, await self._room(model))
        used = passages[: len(texts)]
        return BriefSources(used, await finder.blocks(request, used), texts)

    async def _room(self, model: str) -> int:
        """Characters."""
        context = (await self._models.card(model)).context_length
        if context <= 0:
            return MAX_CHARACTERS
        return min(MAX_CHARACTERS, context * _CHARACTERS_A_TOKEN // _SHARE)


def with_sources(request: ContentRequest, sources: BriefSources | None) -> ContentRequest:
    """The request whose text is to be written from the sources, if it has any."""
    if sources is None:
        return request
    return replace(request, brief=replace(request.brief, sources=sources.texts))


def with_citations(answer: dict[str, Any], sources: BriefSources | None) -> dict[str, Any]:
    """The answer of a generation with `citations` in each variant."""
    if sources is None:
        return answer
    variants = [_cited(variant, sources) for variant in answer["variants"]]
    return {**answer, "variants": variants}


def _cited(variant: Mapping[str, Any], sources: BriefSources) -> dict[str, Any]:
    citations = cite_text(variant["body"], sources.passages, sources.blocks)
    return {**variant, "citations": [citation.body() for citation in citations]}


def _draft(item: Item) -> str | None:
    return item.draft if isinstance(item, PostItem) else None


def _fitting(passages: Sequence[Passage], room: int) -> tuple[str, ...]:
    """The first one at least, cut if it has to be."""
    texts: list[str] = []
    for passage in passages:
        text = " ".join(f"{passage.heading}\n{passage.text}".split())
        if texts and len(text) > room:
            break
        texts.append(text[: max(room, 200)])
        room -= len(texts[-1])
    return tuple(texts)
