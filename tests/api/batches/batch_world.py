"""The application with batches: two tenants whose keys have one id, a worker, a real store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import httpx
from starlette.types import ASGIApp

from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.idempotency.store import IdempotencyStore
from cluster.runtime.problems import Unauthenticated
from cluster.storage.database import Database
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from deployments.batches.file_handler import FileBatchHandler
from deployments.batches.handler import BatchHandler
from deployments.batches.item_calls import ItemCalls
from deployments.batches.item_store import BatchItemStore
from deployments.batches.pacing import BatchPacer
from deployments.batches.services import BatchServices
from deployments.files.store import FileStore
from deployments.ingress.batches import OperationCaller
from deployments.ingress.http.app import OPERATION_OF, create_app
from deployments.ingress.operations import operations
from deployments.ingress.services import AppServices
from deployments.ingress.tenant_jobs import TenantJobs
from deployments.jobs.event_notifier import EventNotifier
from deployments.jobs.store import JobStore
from deployments.jobs.worker import WorkerTimings
from tests.api.fakes import Records
from tests.api.videos.media_world import store_in
from tests.api.web import client_of

OURS, THEIRS, READER = "mob_ours_s", "mob_theirs_s", "mob_reader_s"
QUICK = WorkerTimings(poll_s=0.01, slowest_s=0.05, beat_s=0.05, sweep_s=60.0, close_s=5.0)
CHAT = {"model": "words", "messages": [{"role": "user", "content": "hi"}]}
BATCHES = "/api/v1/batches"
PLAN = Plan(id="default")


def secret_of(tenant: str) -> bytes:
    return tenant.encode().ljust(32, b"s")


async def until(ask: Callable[[], Awaitable[Any]]) -> None:
    """Ask until the answer is true."""
    async with asyncio.timeout(30):
        while not await ask():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.01)


@dataclass
class BatchKeys:
    """Two tenants have a key with the id `key`. Those that are `gone`, by tenant and id, are valid
    no more when their batches run."""

    gone: set[tuple[str, str]] = field(default_factory=set)
    callers: dict[str, Caller] = field(
        default_factory=lambda: {
            OURS: Caller("acme", "key", frozenset({Scope.GENERATE})),
            THEIRS: Caller("other", "key", frozenset({Scope.GENERATE})),
            READER: Caller("acme", "reader", frozenset({Scope.MODELS_READ})),
        }
    )

    def verify(self, presented: str) -> Caller:
        if presented not in self.callers:
            raise Unauthenticated("This key is not known.")
        return self.callers[presented]

    def caller_of(self, tenant: str, holder: str) -> Caller:
        for caller in self.callers.values():
            named = (caller.tenant, caller.key_id)
            if named == (tenant, holder) and named not in self.gone:
                return caller
        raise Unauthenticated("This key is not known.")


@dataclass
class BatchWorld:
    """One running application; `jobs` is its worker."""

    services: AppServices
    database: Database
    jobs: TenantJobs
    keys: BatchKeys
    records: Records
    app: ASGIApp

    async def ask(
        self, method: str, path: str = "", key: str = OURS, **rest: Any
    ) -> httpx.Response:
        async with client_of(self.app, key) as client:
            return await client.request(method, BATCHES + path, **rest)

    async def create(
        self, *bodies: Any, operation: str = "chat", key: str = OURS, **rest: Any
    ) -> Any:
        items = [{"custom_id": f"n{index}", "body": body} for index, body in enumerate(bodies)]
        body = {"operation": operation, "items": items}
        answer = await self.ask("POST", key=key, json=body, **rest)
        return answer.json() | {"http": answer.status_code}

    async def ended(self, id: str, key: str = OURS) -> Any:
        """The batch once it has ended."""
        while True:
            answer = await self.ask("GET", f"/{id}", key, headers={"Prefer": "wait=20"})
            if answer.json()["ended"] is not None:
                return answer.json()

    async def items(self, id: str, key: str = OURS, **query: Any) -> list[dict[str, Any]]:
        answer = await self.ask("GET", f"/{id}/items", key, params=query)
        data: list[dict[str, Any]] = answer.json()["data"]
        return data


@asynccontextmanager
async def opened(
    folder: Path,
    bare: AppServices,
    records: Records,
    *,
    at_work: bool = True,
    plan: Plan = PLAN,
) -> AsyncIterator[BatchWorld]:
    database, keys, clock = store_in(folder), BatchKeys(), bare.clock
    store, items = JobStore(database, clock, Random(7)), BatchItemStore(secret_of)
    store.watch = EventNotifier(store.last_events, 0.02)
    objects = TenantFiles(database, BlobStore(str(folder / "blobs")), clock, lambda _: plan)
    files = FileStore(database, objects, clock)
    jobs = TenantJobs(store, "test", clock, QUICK)
    once = IdempotencyStore(database, secret_of, clock)
    services = replace(
        bare,
        authenticator=keys,
        admin=cast(Any, SimpleNamespace(outcomes=None, classifiers=None)),
        idempotency=once,
        batches=(batches := BatchServices(database, store, items, files, jobs.wake, OPERATION_OF)),
    )
    pacer = BatchPacer(clock)
    calls = ItemCalls(OperationCaller(services, operations(services), keys.caller_of), clock, pacer)
    in_files = FileBatchHandler(database, batches.file_batches, files, calls, records, clock, pacer)
    jobs.install([BatchHandler(database, items, calls, records, clock), in_files])
    if at_work:
        await jobs.start()
    try:
        yield BatchWorld(services, database, jobs, keys, records, create_app(services))
    finally:
        if at_work:
            await jobs.close()
        await once.close()
        await database.close()
