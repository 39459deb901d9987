"""The application with vector stores, as OpenAI's own client uses it: two tenants, a worker, a real
store, a plain reader, a search that compares every point."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import openai
from starlette.types import ASGIApp

from cluster.tenants.caller import Caller, Scope
from deployments.batches.services import BatchServices
from deployments.ingress.document_calls import OwnersDocumentCalls
from deployments.ingress.documents import document_handler
from deployments.ingress.http.app import create_app
from deployments.ingress.services import AppServices
from deployments.ingress.vector_stores import index_files_handler
from tests.api.documents.documents_world import (
    OURS,
    READER,
    THEIRS,
    DocumentKeys,
    DocumentsWorld,
    opened_documents,
)
from tests.api.fakes import Records
from tests.api.web import client_of

WRITER = frozenset(
    {
        Scope.GENERATE,
        Scope.DOCUMENTS_READ,
        Scope.DOCUMENTS_WRITE,
        Scope.SEARCH_READ,
        Scope.SEARCH_WRITE,
    }
)
FALCON = "The Falcon X200 comes with a warranty of five years."
HARBOR = "Sales of the Harbor One began in 2016."


@dataclass
class StoreWorld:
    """One running application."""

    documents: DocumentsWorld
    services: AppServices
    app: ASGIApp
    handlers: list[Any]

    async def restart_worker(self) -> None:
        """Its jobs are released, and another worker continues them."""
        await self.documents.jobs.close()
        self.documents.jobs.install(self.handlers)
        await self.documents.jobs.start()

    @asynccontextmanager
    async def client(self, key: str = OURS) -> AsyncIterator[openai.AsyncOpenAI]:
        async with client_of(self.app, None) as http:
            yield openai.AsyncOpenAI(
                api_key=key, base_url="http://mobula.test/v1", http_client=http, max_retries=0
            )


async def sent(client: openai.AsyncOpenAI, text: str, name: str = "notes.txt") -> str:
    """The id of an uploaded file."""
    made = await client.files.create(file=(name, text.encode()), purpose="assistants")
    return made.id


async def processed(client: openai.AsyncOpenAI, store: str, file: str) -> Any:
    """The file once nothing is done with it any more."""
    async with asyncio.timeout(20):
        while True:
            found = await client.vector_stores.files.retrieve(file, vector_store_id=store)
            if found.status != "in_progress":
                return found
            await asyncio.sleep(0.01)


async def stored(client: openai.AsyncOpenAI, store: str, text: str, **rest: Any) -> str:
    """The id of a file that searches of the store find."""
    file = await sent(client, text)
    await client.vector_stores.files.create(store, file_id=file, **rest)
    found = await processed(client, store, file)
    assert found.status == "completed", found
    return file


@asynccontextmanager
async def opened_stores(
    folder: Path, bare: AppServices, records: Records, *, at_work: bool = True
) -> AsyncIterator[StoreWorld]:
    async with opened_documents(folder, bare, records, at_work=False) as world:
        documents, keys = world.documents, cast(DocumentKeys, world.services.authenticator)
        keys.callers = {
            OURS: Caller("acme", "key", WRITER),
            THEIRS: Caller("other", "key", WRITER),
            READER: Caller("acme", "reader", frozenset({Scope.SEARCH_READ})),
        }
        services = replace(
            world.services,
            batches=BatchServices(
                world.database,
                documents.jobs,
                cast(Any, None),
                documents.files,
                world.jobs.wake,
            ),
        )
        calls = OwnersDocumentCalls(services, records, keys.caller_of)
        handlers = [
            document_handler(documents, calls, records),
            index_files_handler(services, keys.caller_of),
        ]
        world.jobs.install(handlers)
        if at_work:
            await world.jobs.start()
        try:
            yield StoreWorld(world, services, create_app(services), handlers)
        finally:
            if at_work:
                await world.jobs.close()
