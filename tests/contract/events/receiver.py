"""A receiver of webhooks without a network, and a bench that publishes and delivers to it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
from sqlalchemy import select
from standardwebhooks import Webhook as Verifier

from cluster.events.delivery_worker import WebhookDeliveryWorker
from cluster.events.outbox import publish
from cluster.events.queue import DeliveryPolicy
from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import Delivery, Webhook, WebhookRepository
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import events

PEPPER = b"p" * 32
PUBLIC = "93.184.215.14"
KEY = {"id": "abc", "name": "ci", "scopes": ["generate"], "expires": None}


@dataclass(frozen=True)
class Received:
    host: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """What the specification's own library reads from it. Raises WebhookVerificationError."""
        return Verifier(secret).verify(self.body, dict(self.headers))


class Receiver(httpx.AsyncBaseTransport):
    """Answers by host: `answers` holds a status or an error, 200 where it holds nothing.

    Hosts in `hanging` never answer until `release`.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.addresses: list[str] = []
        self.answers: dict[str, int | httpx.TransportError] = {}
        self.hanging: set[str] = set()
        self.most_open = 0
        self._open = 0
        self._released = asyncio.Event()

    def release(self) -> None:
        self._released.set()

    @property
    def open(self) -> int:
        return self._open

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.addresses.append(request.url.host)
        got = Received(request.headers["host"], request.headers, await request.aread())
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        try:
            if got.host in self.hanging:
                await self._released.wait()
            return self._answer(got)
        finally:
            self._open -= 1

    def _answer(self, got: Received) -> httpx.Response:
        answer = self.answers.get(got.host, 200)
        if isinstance(answer, Exception):
            raise answer
        self.received.append(got)
        return httpx.Response(answer, headers={"Location": "http://127.0.0.1/"})


class Names:
    """A resolver: every name is public, but for those that `addresses` says otherwise of."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        return self.addresses.get(host, [PUBLIC])


def transport(receiver: Receiver, names: Names) -> PinnedTransport:
    return PinnedTransport(SsrfGuard(resolve=names), wire=receiver)


@dataclass
class Bench:
    """What a test needs, with each change in a transaction of its own."""

    database: Database
    clock: ManualClock
    receiver: Receiver
    names: Names
    keyring: WebhookSecrets
    webhooks: WebhookRepository
    deliverer: WebhookDeliveryWorker

    async def add(
        self, host: str = "a.example.com", kinds: Sequence[str] = ("*",), tenant: str = "acme"
    ) -> tuple[Webhook, str]:
        async with self.database.begin() as connection:
            return await self.webhooks.create(connection, tenant, f"https://{host}/in", kinds)

    async def publish(
        self,
        kind: str = "key.created",
        data: Mapping[str, Any] = KEY,
        tenant: str = "acme",
        once: str | None = None,
    ) -> str:
        async with self.database.begin() as connection:
            return await publish(connection, self.clock, tenant, kind, data, once=once)

    async def deliveries(self, webhook: Webhook) -> Sequence[Delivery]:
        async with self.database.read() as connection:
            page = await self.webhooks.deliveries(connection, webhook.tenant, webhook.id, 200)
            return list(page.items)

    async def get(self, webhook: Webhook) -> Webhook:
        async with self.database.read() as connection:
            return await self.webhooks.get(connection, webhook.tenant, webhook.id)

    async def events(self) -> list[Any]:
        async with self.database.read() as connection:
            found = await connection.execute(select(events).order_by(events.c.at, events.c.id))
            return list(found)

    def another(self, policy: DeliveryPolicy | None = None) -> WebhookDeliveryWorker:
        """A deliverer of another process over the same store and to the same receiver."""
        wire = transport(self.receiver, self.names)
        return WebhookDeliveryWorker(
            self.database, wire, self.keyring, self.clock, Random(8), policy
        )

    def said(self) -> list[Any]:
        return [json.loads(got.body) for got in self.receiver.received]


async def until(condition: Any, limit_s: float = 60.0) -> None:
    """Let other tasks run until `condition()` holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - what is polled has no event to wait for
            await asyncio.sleep(0.005)
