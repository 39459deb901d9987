"""Delivers webhooks: one worker in each process, any number of processes over one store.

Flows in: pending deliveries from the outbox. Flows out: signed posts, and each delivery's end in
the store. Delivery is at least once: a process that dies between an answer and its record leaves
the delivery to be sent again when its lease ends, under the same `webhook-id` and with the same
body, so a receiver drops repeats by that id. Order is not kept. No receiver has more than a few
tries at once, so a dead one only holds up itself.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from random import Random

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events import queue
from cluster.events.key_expiry import announce_expiring
from cluster.events.kinds import EventKind
from cluster.events.outbox import Event
from cluster.events.policy import DeliveryPolicy
from cluster.events.queue import DeliveryLease, DueDelivery
from cluster.events.sender import DeliveryAttempt, Sender
from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import Webhook, find_secret
from cluster.net.transport import PinnedTransport
from cluster.runtime.background import end_tasks
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.secrets.encryption import DecryptionFailed
from cluster.storage.database import Database

CLOSE_S = 2.0  # how long a clean stop waits for tries under way
UNREADABLE = "the signing secret cannot be opened; rotate it"

log = logging.getLogger("mobula.events")


class WebhookDeliveryWorker:
    """Claims what is due, sends it, records how it ended."""

    def __init__(
        self,
        database: Database,
        transport: PinnedTransport,
        keyring: WebhookSecrets,
        clock: Clock,
        random: Random,
        policy: DeliveryPolicy | None = None,
    ) -> None:
        """`random` spreads retries. The transport is closed with the deliverer."""
        self.policy = policy or DeliveryPolicy()
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._random = random
        self._sender = Sender(transport, clock, self.policy.attempt_s)
        self._open: dict[asyncio.Task[None], DeliveryLease] = {}
        self._woken = asyncio.Event()
        self._house_due = clock.monotonic() + self.policy.house_s
        self._loop: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self) -> None:
        """Begin to deliver in the background."""
        self._loop = asyncio.create_task(self._run(), name="deliverer")

    def wake(self) -> None:
        """Look now instead of at the next poll; for who has just committed an event."""
        self._woken.set()

    async def close(self) -> None:
        """Let tries under way end (CLOSE_S), give the rest back, close the transport."""
        self._closing = True
        self._woken.set()
        await end_tasks([self._loop] if self._loop else [], CLOSE_S)
        cancelled = await end_tasks(list(self._open), CLOSE_S)
        await self._give_back([self._open.pop(task) for task in cancelled if task in self._open])
        await self._sender.close()

    async def run_once(self) -> int:
        """Try everything that is due and has room now; returns how many tries were made."""
        begun = await self._begin()
        await asyncio.gather(*begun)
        return len(begun)

    async def prune(self) -> int:
        """Forget what is older than the policy keeps; returns how many events."""
        total, before = 0, self._clock.wall() - self.policy.kept_s
        while True:
            async with self._database.begin() as connection:
                gone = await queue.prune(connection, before)
            total += gone
            if gone == 0:
                return total

    async def send_test(self, webhook: Webhook) -> DeliveryAttempt:
        """Send one `webhook.test` event now, once; it is stored nowhere. Raises NotFound."""
        now = self._clock.wall()
        async with self._database.read() as connection:
            sealed = await find_secret(connection, webhook.tenant, webhook.id)
        event = Event(
            f"evt_{secrets.token_hex(14)}",
            webhook.tenant,
            EventKind.WEBHOOK_TEST,
            now,
            {"id": webhook.id},
        )
        return await self._send(webhook.id, webhook.url, sealed, event)

    async def _run(self) -> None:
        while not self._closing:
            self._woken.clear()
            try:
                await self._begin()
                await self._keep_house()
            except (Problem, SQLAlchemyError):
                log.warning("webhooks wait for the store", exc_info=True)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.policy.poll_s):
                    await self._woken.wait()

    async def _begin(self) -> list[asyncio.Task[None]]:
        """Claim what there is room for, and begin its tries."""
        room = self.policy.slots - len(self._open)
        if room <= 0:
            return []
        now = self._clock.wall()
        chosen = await self._choose(now, room)
        if not chosen:
            return []
        async with self._database.begin() as connection:
            claims = await queue.claim(connection, chosen, now, self.policy.lease_s)
        return [self._try(claim) for claim in claims]

    async def _choose(self, now: float, room: int) -> list[str]:
        """Ids of deliveries that no webhook's or tenant's share of the slots forbids."""
        webhooks = Counter(claim.webhook for claim in self._open.values())
        tenants = Counter(claim.event.tenant for claim in self._open.values())
        full = [id_ for id_, count in webhooks.items() if count >= self.policy.webhook_slots]
        async with self._database.read() as connection:
            due = await queue.find_due(
                connection,
                now,
                per_webhook=self.policy.webhook_slots,
                limit=4 * self.policy.slots,
                full=full,
            )
        return [one.id for one in due if self._admits(one, webhooks, tenants)][:room]

    def _admits(self, one: DueDelivery, webhooks: Counter[str], tenants: Counter[str]) -> bool:
        if webhooks[one.webhook] >= self.policy.webhook_slots:
            return False
        if tenants[one.tenant] >= self.policy.tenant_slots:
            return False
        webhooks[one.webhook] += 1
        tenants[one.tenant] += 1
        return True

    def _try(self, claim: DeliveryLease) -> asyncio.Task[None]:
        task = asyncio.create_task(self._deliver(claim), name=f"deliver-{claim.id}")
        self._open[task] = claim
        task.add_done_callback(self._make_room)
        return task

    def _make_room(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._open.pop(task, None)
        self._woken.set()

    async def _deliver(self, claim: DeliveryLease) -> None:
        """A try whose record is lost is made again when its lease ends."""
        try:
            if self._clock.wall() - claim.event.at > self.policy.age_s:
                attempt = DeliveryAttempt(False, None, "not delivered in time", 0.0)
            else:
                attempt = await self._send(claim.webhook, claim.url, claim.secret, claim.event)
            await self._record(claim, attempt)
        except (Problem, SQLAlchemyError):
            log.warning("a delivery could not be recorded: %s", claim.id, exc_info=True)

    async def _send(self, webhook: str, url: str, sealed: bytes, event: Event) -> DeliveryAttempt:
        try:
            keys = self._keyring.keys(webhook, sealed, self._clock.wall())
        except DecryptionFailed:
            return DeliveryAttempt(False, None, UNREADABLE, 0.0)
        return await self._sender.send(url, keys, event)

    async def _record(self, claim: DeliveryLease, attempt: DeliveryAttempt) -> None:
        now, tried = self._clock.wall(), claim.attempts + 1
        error = attempt.error or ""
        last = tried >= self.policy.attempts or now - claim.event.at > self.policy.age_s
        async with self._database.begin() as connection:
            if attempt.delivered:
                await queue.record_delivered(connection, claim)
            elif attempt.gone or last:
                await self._record_end(connection, claim, attempt)
            else:
                retry_at = now + self.policy.backoff_s(tried, self._random)
                await queue.record_retry(connection, claim, error, retry_at)

    async def _record_end(
        self, connection: AsyncConnection, claim: DeliveryLease, attempt: DeliveryAttempt
    ) -> None:
        """A webhook that took nothing for as long as this event was tried is disabled."""
        error = attempt.error or ""
        await queue.lock_webhook(connection, claim)
        ended = await queue.record_failed(connection, claim, error)
        if ended and (attempt.gone or not await queue.succeeded_since(connection, claim)):
            await queue.disable(connection, self._clock, claim, error)

    async def _give_back(self, claims: list[DeliveryLease]) -> None:
        if not claims:
            return
        try:
            async with self._database.begin() as connection:
                await queue.release(connection, claims)
        except (Problem, SQLAlchemyError):
            log.warning("claims are left to run out", exc_info=True)

    async def _keep_house(self) -> None:
        if self._clock.monotonic() < self._house_due:
            return
        self._house_due = self._clock.monotonic() + self.policy.house_s
        async with self._database.begin() as connection:
            await announce_expiring(connection, self._clock)
        await self.prune()
