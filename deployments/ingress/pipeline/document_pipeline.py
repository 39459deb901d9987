"""The request path of reading documents: reserve -> Media -> settle and record.

Flows in: the path of a file and an admitted request. Flows out: what the document says, page by
page. Reading that fails costs nothing.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from cluster.runtime.problems import NotInstalled, Problem
from cluster.tenants.units import UsageAmounts
from deployments.contracts.documents import (
    DOCUMENTS,
    DocumentBlock,
    DocumentFacts,
    DocumentPart,
    DocumentReader,
    ReadDocumentRequest,
)
from deployments.ingress.context import RESERVE, AdmittedRequest
from deployments.ingress.pipeline.metering import Meter

NOT_READ = "This cluster reads no documents."
INSTALL_READER = "Set `media.enabled` in serve_config.yaml, and deploy."


class TooLongToWait(Exception):
    """The document is for a job: it has too many pages, or takes too long."""


@dataclass(slots=True)
class ReadDocument:
    """A whole document."""

    facts: DocumentFacts
    blocks: list[DocumentBlock] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def characters(self) -> int:
        return sum(len(block.text) for block in self.blocks)


class UnservedReader:
    """Implements DocumentReader where no document is read: for jobs that were ordered before."""

    async def read_document(
        self, request: ReadDocumentRequest
    ) -> AsyncGenerator[DocumentPart, None]:
        """Raises NotInstalled."""
        no_parts: tuple[DocumentPart, ...] = ()
        for part in no_parts:
            yield part
        raise NotInstalled(NOT_READ, INSTALL_READER)


class DocumentPipeline:
    """Without a `reader` no document is read."""

    def __init__(self, reader: DocumentReader | None, meter: Meter) -> None:
        self.reader = reader
        self._meter = meter

    def require(self) -> DocumentReader:
        """Raises NotInstalled."""
        if self.reader is None:
            raise NotInstalled(NOT_READ, INSTALL_READER)
        return self.reader

    async def read(
        self, request: ReadDocumentRequest, admitted: AdmittedRequest, most_pages: int
    ) -> ReadDocument:
        """The whole. Raises TooLongToWait for one of more than `most_pages`, NotInstalled, and what
        limits and the reader raise."""
        stream = self.require().read_document(request)
        async with aclosing(stream) as parts:
            return await self._collect(parts, admitted, most_pages)

    async def _collect(
        self, parts: AsyncGenerator[DocumentPart, None], admitted: AdmittedRequest, most_pages: int
    ) -> ReadDocument:
        first = await anext(parts)
        if first.facts is None:
            raise Problem("The reader has not said what the document is.")
        document = ReadDocument(first.facts)
        if document.facts.pages > most_pages:
            raise TooLongToWait(f"It has {document.facts.pages} pages.")
        amounts = UsageAmounts(pages=document.facts.pages)
        since = admitted.timer.clock.monotonic()
        reservation = await admitted.permit.reserve(DOCUMENTS, amounts)
        admitted.timer.add_stage(RESERVE, since)
        used = UsageAmounts()
        admitted.timer.opened()
        try:
            _add(document, first)
            async for part in parts:
                _add(document, part)
            used = amounts
        finally:
            admitted.timer.answered()
            reservation.settle(used, requests=int(used.pages > 0))
        self._meter.record_call(
            admitted.caller,
            admitted.plan,
            DOCUMENTS,
            used,
            admitted.tags,
            collected=admitted.collected,
        )
        return document


def _add(document: ReadDocument, part: DocumentPart) -> None:
    document.blocks += part.blocks
    document.notes = list(dict.fromkeys([*document.notes, *part.notes]))
