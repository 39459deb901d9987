"""A reader of documents for tests: pages end with form feeds, blocks with blank lines, and lines
that begin with `#` are headings. Bytes that begin with `BROKEN` are refused."""

import asyncio
from collections.abc import AsyncGenerator

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import InvalidRequest
from deployments.contracts.documents import (
    DocumentBlock,
    DocumentFacts,
    DocumentPart,
    ReadDocumentRequest,
)


class PlainReader:
    """Implements DocumentReader. While `hold` is set, it waits before each page from `held_page`
    on; `requests` are those it got, `pages` those it read."""

    def __init__(self, files: TenantFiles) -> None:
        self._files = files
        self.requests: list[ReadDocumentRequest] = []
        self.pages: list[int] = []
        self.hold: asyncio.Event | None = None
        self.held_page = 1

    async def read_document(
        self, request: ReadDocumentRequest
    ) -> AsyncGenerator[DocumentPart, None]:
        self.requests.append(request)
        tenant = request.caller.tenant
        stored = await self._files.stat(tenant, request.path)
        content = b"".join([block async for block in self._files.read(stored)])
        if content.startswith(b"BROKEN"):
            raise InvalidRequest("The document is damaged.", param="file")
        pages = content.decode().split("\f")
        facts = DocumentFacts(
            "text", stored.sha256, stored.bytes, len(pages), title="Plain", by="plain@1"
        )
        yield DocumentPart(facts=facts)
        for number, page in enumerate(pages, 1):
            if number < request.first_page:
                continue
            if self.hold is not None and number >= self.held_page:
                await self.hold.wait()
            self.pages.append(number)
            blocks = tuple(_block(number, text) for text in page.split("\n\n") if text.strip())
            yield DocumentPart(blocks=blocks[:1], pages_done=number - 1)  # a page in two parts
            yield DocumentPart(blocks=blocks[1:], pages_done=number)


def _block(page: int, text: str) -> DocumentBlock:
    text = text.strip()
    level = len(text) - len(text.lstrip("#"))
    if level:
        return DocumentBlock(page, "heading", text.lstrip("# "), level)
    return DocumentBlock(page, "text", text)
