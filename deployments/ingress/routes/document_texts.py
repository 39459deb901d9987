"""`/api/v1/documents/{document}`: what a document says, as a text, block by block, by chunks."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from cluster.runtime.problems import Conflict
from deployments.documents.model import TenantDocument
from deployments.documents.rendering import TextFormat, render
from deployments.ingress.context import request_state
from deployments.ingress.document_access import (
    DocumentAccess,
    DocumentIdInPath,
    ReadsDocuments,
)
from deployments.ingress.documents import DocumentServices
from deployments.ingress.routes.responses import LOOK
from deployments.ingress.schemas.documents import (
    BlockPage,
    BlockResponse,
    ChunkPage,
    ChunkResponse,
    DocumentPartQuery,
)

BLOCKS_AT_ONCE = 500
router = APIRouter(prefix="/api/v1/documents", tags=["documents"])
Format = Annotated[TextFormat, Query(description="`markdown` marks headings, lists and tables.")]


@router.get(
    "/{document}/text",
    response_class=Response,
    responses={
        200: {
            "description": "The text.",
            "content": {"text/plain": {}, "text/markdown": {}},
        },
        **LOOK,
    },
    summary="The text of a document",
)
async def get_document_text(
    access: ReadsDocuments, document: DocumentIdInPath, request: Request, format: Format = "text"
) -> Response:
    """Refused with 409 while it is being read."""
    found = await _readable(access, document)
    lift_deadline = request_state(request.scope).lift_deadline
    if lift_deadline is not None:  # a stalled client is cut by itself
        lift_deadline()
    kind = "text/plain" if format == "text" else "text/markdown"
    return StreamingResponse(
        _text(access.documents, found, format), media_type=f"{kind}; charset=utf-8"
    )


@router.get(
    "/{document}/blocks",
    response_model=BlockPage,
    responses=LOOK,
    summary="A document block by block",
)
async def list_document_blocks(
    access: ReadsDocuments, document: DocumentIdInPath, query: Annotated[DocumentPartQuery, Query()]
) -> BlockPage:
    """In reading order. While a job reads it, those that are there."""
    documents = access.documents
    async with documents.database.read() as connection:
        found = await documents.store.get(connection, access.tenant, document)
        blocks = await documents.store.blocks(
            connection, access.tenant, found.id, after=query.after, limit=query.limit + 1
        )
    data = [
        BlockResponse.model_validate(
            {
                "number": block.number,
                "page": block.page,
                "kind": block.kind,
                "level": block.level,
                "text": block.text,
                "box": list(block.box) or None,
            }
        )
        for block in blocks[: query.limit]
    ]
    return BlockPage(data=data, next_after=data[-1].number if len(blocks) > query.limit else None)


@router.get(
    "/{document}/chunks",
    response_model=ChunkPage,
    responses=LOOK,
    summary="What of a document is indexed as one",
)
async def list_document_chunks(
    access: ReadsDocuments, document: DocumentIdInPath, query: Annotated[DocumentPartQuery, Query()]
) -> ChunkPage:
    documents = access.documents
    async with documents.database.read() as connection:
        found = await documents.store.get(connection, access.tenant, document)
        chunks = await documents.store.chunks(
            connection, access.tenant, found.id, after=query.after, limit=query.limit + 1
        )
    data = [
        ChunkResponse(
            number=chunk.number,
            page=chunk.page,
            heading=chunk.heading,
            block=chunk.block,
            start=chunk.start,
            last_block=chunk.last_block,
            end=chunk.end,
            text=chunk.text,
        )
        for chunk in chunks[: query.limit]
    ]
    return ChunkPage(data=data, next_after=data[-1].number if len(chunks) > query.limit else None)


async def _readable(access: DocumentAccess, id: str) -> TenantDocument:
    documents = access.documents
    async with documents.database.read() as connection:
        found = await documents.store.get(connection, access.tenant, id)
    if found.state == "reading" or not found.blocks:
        raise Conflict(f"Document '{id}' is {found.state}; it has no text yet.", param="document")
    return found


async def _text(
    documents: DocumentServices, document: TenantDocument, form: TextFormat
) -> AsyncIterator[bytes]:
    after = -1
    while True:
        async with documents.database.read() as connection:
            blocks = await documents.store.blocks(
                connection, document.tenant, document.id, after=after, limit=BLOCKS_AT_ONCE
            )
        if not blocks:
            break
        between = "" if after < 0 else "\n\n"
        yield (between + "".join(render(blocks, form))).encode()
        after = blocks[-1].number
    yield b"\n"
