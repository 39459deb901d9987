"""Administration of webhooks, the receivers of a tenant's events."""

from collections.abc import Sequence

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.events.kinds import EventKind
from cluster.events.webhooks import Delivery, Status, Webhook
from cluster.events.webhooks import WebhookRepository as Repository
from cluster.net.ssrf import SsrfGuard
from cluster.storage.pagination import Page


class WebhookService:
    """Lists, creates, changes, rotates, tests and deletes webhooks."""

    def __init__(self, unit_of_work: UnitOfWork, repository: Repository, guard: SsrfGuard) -> None:
        self._unit_of_work = unit_of_work
        self._webhooks = repository
        self._guard = guard

    async def list(self, tenant: str) -> Sequence[Webhook]:
        async with self._unit_of_work.database.read() as connection:
            return await self._webhooks.list(connection, tenant)

    async def get(self, tenant: str, webhook: str) -> Webhook:
        """Raises NotFound."""
        async with self._unit_of_work.database.read() as connection:
            return await self._webhooks.get(connection, tenant, webhook)

    async def deliveries(
        self, tenant: str, webhook: str, limit: int, cursor: str | None
    ) -> Page[Delivery]:
        """Deliveries and their status, newest event first. Raises NotFound, InvalidRequest."""
        async with self._unit_of_work.database.read() as connection:
            return await self._webhooks.deliveries(connection, tenant, webhook, limit, cursor)

    async def create(
        self, actor: Actor, tenant: str, url: str, kinds: Sequence[str]
    ) -> tuple[Webhook, str]:
        """The webhook and its signing secret, shown only once. Raises like the repository."""
        await self._guard.target(url)
        async with self._unit_of_work.change(actor, tenant, "webhook.create", "webhook:") as change:
            webhook, secret = await self._webhooks.create(change.connection, tenant, url, kinds)
            change.resource = f"webhook:{webhook.id}"
            await change.publish(EventKind.WEBHOOK_CREATED, {"id": webhook.id})
        return webhook, secret

    async def update(
        self,
        actor: Actor,
        tenant: str,
        webhook: str,
        *,
        url: str | None = None,
        kinds: Sequence[str] | None = None,
        status: Status | None = None,
    ) -> Webhook:
        """Changes the fields that are not None."""
        if url is not None:
            await self._guard.target(url)
        async with self._unit_of_work.change(
            actor, tenant, "webhook.update", f"webhook:{webhook}"
        ) as change:
            changed_fields = change.record_changed(url=url, kinds=kinds, status=status)
            after = await self._webhooks.update(
                change.connection, tenant, webhook, url=url, kinds=kinds, status=status
            )
            await change.publish(
                EventKind.WEBHOOK_UPDATED, {"id": webhook, "changed": changed_fields}
            )
        return after

    async def rotate(
        self, actor: Actor, tenant: str, webhook: str, grace_s: int
    ) -> tuple[Webhook, str]:
        """Creates a new signing secret; the old one also signs for `grace_s` seconds."""
        async with self._unit_of_work.change(
            actor, tenant, "webhook.rotate", f"webhook:{webhook}"
        ) as change:
            rotated, secret = await self._webhooks.rotate(
                change.connection, tenant, webhook, grace_s
            )
            change.detail["grace_s"] = grace_s
            await change.publish(EventKind.WEBHOOK_ROTATED, {"id": webhook})
        return rotated, secret

    async def test(self, actor: Actor, tenant: str, webhook: str) -> str:
        """Sends a test event to this webhook only, whatever its kinds; returns the event's id."""
        async with self._unit_of_work.change(
            actor, tenant, "webhook.test", f"webhook:{webhook}"
        ) as change:
            await self._webhooks.get(change.connection, tenant, webhook)
            return await change.publish(EventKind.WEBHOOK_TEST, {"id": webhook})

    async def delete(self, actor: Actor, tenant: str, webhook: str) -> None:
        async with self._unit_of_work.change(
            actor, tenant, "webhook.delete", f"webhook:{webhook}"
        ) as change:
            await self._webhooks.delete(change.connection, tenant, webhook)
            await change.publish(EventKind.WEBHOOK_DELETED, {"id": webhook})
