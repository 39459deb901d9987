"""Delivers webhooks: one worker in each process, any number of processes over one store.

Flows in: pending deliveries from the outbox. Flows out: signed POSTs, and each delivery's end in
the store. Delivery is at least once: where a process dies between a response and its record, the
delivery is sent again when its lease expires, under the same `webhook-id` and with the same body,
so a receiver drops repeats by that id. The order of events is not preserved. No receiver has more
than a few concurrent attempts, so a dead one delays only itself.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Iterator
from random import Random

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events import queue
from cluster.events.kinds import EventKind
from cluster.events.outbox import Event, publish
from cluster.events.queue import DeliveryLease, DeliveryPolicy, DueDelivery
from cluster.events.sender import DeliveryAttempt, Sender
from cluster.events.signing import WebhookSecrets
from cluster.events.webhooks import Webhook, find_secret
from cluster.metrics.catalogue import storage
from cluster.metrics.series import Reading
from cluster.net.transport import PinnedTransport
from cluster.runtime.background import PeriodicTask, end_tasks
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.secrets.encryption import DecryptionFailed
from cluster.storage.database import Database
from cluster.storage.tables import api_keys

CLOSE_S = 2.0  # how long a clean stop waits for attempts under way
EXPIRY_NOTICE_S = 7 * 86_400.0
UNREADABLE = "the signing secret cannot be opened; rotate it"

log = logging.getLogger("mobula.events")


class WebhookDeliveryWorker:
    """Claims due deliveries, sends them, records their outcomes."""

    def __init__(
        self,
        database: Database,
        transport: PinnedTransport,
        keyring: WebhookSecrets,
        clock: Clock,
        random: Random,
        policy: DeliveryPolicy | None = None,
    ) -> None:
        """`random` spreads retries. The worker closes the transport."""
        self.policy = policy or DeliveryPolicy()
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._random = random
        self._sender = Sender(transport, clock, self.policy.attempt_s)
        self._open: dict[asyncio.Task[None], DeliveryLease] = {}
        self._outcomes: Counter[str] = Counter()
        self._housekeeping_due = clock.monotonic() + self.policy.housekeeping_s
        self._polls = PeriodicTask(
            self._poll,
            self.policy.poll_s,
            "delivery of webhooks",
            expected=(Problem, SQLAlchemyError),
        )

    async def start(self) -> None:
        """Begin to deliver in the background."""
        self._polls.start()

    def wake(self) -> None:
        """Claim now instead of at the next poll; called after an event was committed."""
        self._polls.wake()

    async def close(self) -> None:
        """Let attempts under way end (CLOSE_S), release the others, close the transport."""
        await self._polls.close(CLOSE_S)
        cancelled = await end_tasks(list(self._open), CLOSE_S)
        await self._release([self._open.pop(task) for task in cancelled if task in self._open])
        await self._sender.close()

    async def run_once(self) -> int:
        """Attempt every due delivery that a slot is free for; returns the number of attempts."""
        tasks = await self._begin()
        await asyncio.gather(*tasks)
        return len(tasks)

    async def prune(self) -> int:
        """Delete events older than the policy's retention; returns how many."""
        total, before = 0, self._clock.wall() - self.policy.retention_s
        while True:
            async with self._database.begin() as connection:
                deleted = await queue.prune(connection, before)
            total += deleted
            if deleted == 0:
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

    async def _poll(self) -> None:
        await self._begin()
        await self._do_housekeeping()

    async def _begin(self) -> list[asyncio.Task[None]]:
        """Claim due deliveries for the free slots, and begin their attempts."""
        free = self.policy.slots - len(self._open)
        if free <= 0:
            return []
        now = self._clock.wall()
        chosen = await self._choose(now, free)
        if not chosen:
            return []
        async with self._database.begin() as connection:
            leases = await queue.claim(connection, chosen, now, self.policy.lease_s)
        return [self._start_attempt(lease) for lease in leases]

    async def _choose(self, now: float, free: int) -> list[str]:
        """Ids of deliveries within the slots of their webhook and tenant."""
        webhooks = Counter(lease.webhook for lease in self._open.values())
        tenants = Counter(lease.event.tenant for lease in self._open.values())
        full = [id_ for id_, count in webhooks.items() if count >= self.policy.webhook_slots]
        async with self._database.read() as connection:
            due = await queue.find_due(
                connection,
                now,
                per_webhook=self.policy.webhook_slots,
                limit=4 * self.policy.slots,
                full=full,
            )
        return [delivery.id for delivery in due if self._admits(delivery, webhooks, tenants)][:free]

    def _admits(self, delivery: DueDelivery, webhooks: Counter[str], tenants: Counter[str]) -> bool:
        if webhooks[delivery.webhook] >= self.policy.webhook_slots:
            return False
        if tenants[delivery.tenant] >= self.policy.tenant_slots:
            return False
        webhooks[delivery.webhook] += 1
        tenants[delivery.tenant] += 1
        return True

    def _start_attempt(self, lease: DeliveryLease) -> asyncio.Task[None]:
        task = asyncio.create_task(self._deliver(lease), name=f"deliver-{lease.id}")
        self._open[task] = lease
        task.add_done_callback(self._on_done)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._open.pop(task, None)
        self._polls.wake()

    async def _deliver(self, lease: DeliveryLease) -> None:
        """An attempt whose record is lost is repeated when the lease expires."""
        try:
            if self._clock.wall() - lease.event.at > self.policy.age_s:
                attempt = DeliveryAttempt(False, None, "not delivered in time", 0.0)
            else:
                attempt = await self._send(lease.webhook, lease.url, lease.secret, lease.event)
            await self._record(lease, attempt)
        except (Problem, SQLAlchemyError):
            log.warning("a delivery could not be recorded: %s", lease.id, exc_info=True)

    async def _send(self, webhook: str, url: str, sealed: bytes, event: Event) -> DeliveryAttempt:
        try:
            keys = self._keyring.keys(webhook, sealed, self._clock.wall())
        except DecryptionFailed:
            return DeliveryAttempt(False, None, UNREADABLE, 0.0)
        return await self._sender.send(url, keys, event)

    async def _record(self, lease: DeliveryLease, attempt: DeliveryAttempt) -> None:
        now, attempts = self._clock.wall(), lease.attempts + 1
        error = attempt.error or ""
        last = attempts >= self.policy.attempts or now - lease.event.at > self.policy.age_s
        async with self._database.begin() as connection:
            if attempt.delivered:
                outcome = "delivered"
                await queue.record_delivered(connection, lease)
            elif attempt.gone or last:
                outcome = "failed"
                await self._record_end(connection, lease, attempt)
            else:
                outcome = "retried"
                retry_at = now + self.policy.backoff_s(attempts, self._random)
                await queue.record_retry(connection, lease, error, retry_at)
        self._outcomes[outcome] += 1

    def read_metrics(self) -> Iterator[Reading]:
        """Attempts whose outcome was recorded, and those under way."""
        yield storage.DELIVERIES, [((name,), count) for name, count in self._outcomes.items()]
        yield storage.DELIVERIES_OPEN, [((), len(self._open))]

    async def _record_end(
        self, connection: AsyncConnection, lease: DeliveryLease, attempt: DeliveryAttempt
    ) -> None:
        """A webhook that accepted nothing since this event's first attempt is disabled."""
        error = attempt.error or ""
        await queue.lock_webhook(connection, lease)
        ended = await queue.record_failed(connection, lease, error)
        if ended and (attempt.gone or not await queue.succeeded_since(connection, lease)):
            await queue.disable(connection, self._clock, lease, error)

    async def _release(self, leases: list[DeliveryLease]) -> None:
        if not leases:
            return
        try:
            async with self._database.begin() as connection:
                await queue.release(connection, leases)
        except (Problem, SQLAlchemyError):
            log.warning("leases are left to expire", exc_info=True)

    async def _do_housekeeping(self) -> None:
        if self._clock.monotonic() < self._housekeeping_due:
            return
        self._housekeeping_due = self._clock.monotonic() + self.policy.housekeeping_s
        async with self._database.begin() as connection:
            await announce_expiring(connection, self._clock)
        await self.prune()


async def announce_expiring(connection: AsyncConnection, clock: Clock) -> None:
    """Publish `key.expiring` once for each key of any tenant, a week before it expires.

    A rotated key is left out: its owner knows when its grace period ends.
    """
    now = clock.wall()
    keys = await connection.execute(
        select(api_keys.c.id, api_keys.c.tenant, api_keys.c.expires).where(
            api_keys.c.expires > now,
            api_keys.c.expires <= now + EXPIRY_NOTICE_S,
            api_keys.c.revoked.is_(None),
            api_keys.c.replaced_by.is_(None),
        )
    )
    for key in keys.all():
        payload = {"id": key.id, "expires": key.expires}
        once = f"{key.id}|{key.expires}"
        await publish(connection, clock, key.tenant, EventKind.KEY_EXPIRING, payload, once=once)
