"""`summarize_document`: a document by its most central sentences, with their places, or by a text
model whose answer is checked against them.

Of a long document the first sentences of its blocks stand for the whole, evenly spread, so that
its end counts as its beginning does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.runtime.problems import Conflict
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.documents.citations import Citation, Passage, look_up
from deployments.documents.digest import Digest, digest_of
from deployments.documents.model import StoredBlock, TenantDocument
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import DocumentServices, require_documents
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.text_writing import SummarizeText, WriterPorts
from deployments.ingress.schemas.documents import DocumentSummaryRequest
from deployments.ingress.schemas.text import SummarizeTextRequest


class SummarizeDocument:
    """Body: DocumentSummaryRequest. Answer: the summary, and the places of its sentences."""

    schema = DocumentSummaryRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.DOCUMENTS_READ
    can_stream = False

    def __init__(self, documents: DocumentServices | None, ports: WriterPorts) -> None:
        self._documents = documents
        self._summarize = SummarizeText(ports)

    async def answer(
        self, request: AdmittedRequest, body: DocumentSummaryRequest
    ) -> dict[str, Any]:
        """Raises NotFound, DocumentNotIndexed, and what text analysis and models raise."""
        documents, tenant = require_documents(self._documents), request.caller.tenant
        request.varies = True
        if body.method == "model":
            request.require(Scope.GENERATE)
        async with documents.database.read() as connection:
            document = await documents.store.get(connection, tenant, body.document)
            if not document.blocks or document.state == "reading":
                raise Conflict(f"Document '{document.id}' is {document.state}; it has no text.")
            blocks = await documents.store.blocks(connection, tenant, document.id)
        digest = digest_of(blocks)
        summary = await self._summarize.answer(
            request,
            SummarizeTextRequest(
                text=digest.text,
                method=body.method,
                sentences=body.sentences,
                max_characters=body.max_characters,
                model=body.model,
                language=document.language or None,
            ),
        )
        cited = [] if summary["method"] == "model" else _cited(document, digest, summary["spans"])
        return {
            "object": "document.summary",
            "id": f"summary-{request.request_id}",
            "created": request.created,
            "document": document.id,
            "text": summary["text"],
            "method": summary["method"],
            "by": summary["by"],
            "fallback": summary["fallback"],
            "citations": [citation.body() for citation in cited],
            "usage": summary["usage"],
            "characters": summary["characters"],
        }

    async def events(self, request: AdmittedRequest, body: DocumentSummaryRequest) -> Events:
        """One event, the summary."""
        yield None, await self.answer(request, body)


def _cited(
    document: TenantDocument, digest: Digest, spans: Sequence[Mapping[str, Any]]
) -> list[Citation]:
    found = []
    for number, span in enumerate(spans, 1):
        block = digest.block_at(span["start"])
        citation = look_up(
            _passage(number, document, block),
            span["text"],
            {(document.id, block.number): block},
        )
        if citation is not None:
            found.append(citation)
    return found


def _passage(number: int, document: TenantDocument, block: StoredBlock) -> Passage:
    return Passage(
        number,
        document.id,
        document.name,
        block.page,
        block.number,
        0,
        block.number,
        len(block.text),
        block.text,
    )
