"""Changing webhooks: where a tenant's events go."""

from collections.abc import Sequence

from cluster.administration.actor import Actor
from cluster.administration.unit_of_work import UnitOfWork
from cluster.events.kinds import EventKind
from cluster.events.webhooks import Delivery, Status, Webhook
from cluster.events.webhooks import WebhookRepository as Repository
from cluster.net.ssrf import SsrfGuard
from cluster.storage.pagination import Page


class WebhookService:
    """Listing, adding, changing, rotating, testing and deleting webhooks."""

    def __init__(self, desk: UnitOfWork, repository: Repository, guard: SsrfGuard) -> None:
        self._desk = desk
        self._webhooks = repository
        self._guard = guard

    async def list(self, tenant: str) -> Sequence[Webhook]:
        async with self._desk.database.read() as connection:
            return await self._webhooks.list(connection, tenant)

    async def get(self, tenant: str, webhook: str) -> Webhook:
        """Raises NotFound."""
        async with self._desk.database.read() as connection:
            return await self._webhooks.get(connection, tenant, webhook)

    async def deliveries(
        self, tenant: str, webhook: str, limit: int, cursor: str | None
    ) -> Page[Delivery]:
        """How sending stands, the newest event first. Raises NotFound, InvalidRequest."""
        async with self._desk.database.read() as connection:
            return await self._webhooks.deliveries(connection, tenant, webhook, limit, cursor)

    async def create(
        self, actor: Actor, tenant: str, url: str, kinds: Sequence[str]
    ) -> tuple[Webhook, str]:
        """The webhook and its signing secret, to show once. Raises as the repository does."""
        await self._guard.target(url)
        async with self._desk.change(actor, tenant, "webhook.create", "webhook:") as case:
            made, secret = await self._webhooks.create(case.connection, tenant, url, kinds)
            case.resource = f"webhook:{made.id}"
            await case.publish(EventKind.WEBHOOK_CREATED, {"id": made.id})
        return made, secret

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
        """Change what is given."""
        if url is not None:
            await self._guard.target(url)
        async with self._desk.change(actor, tenant, "webhook.update", f"webhook:{webhook}") as case:
            changed = case.changed(url=url, kinds=kinds, status=status)
            after = await self._webhooks.update(
                case.connection, tenant, webhook, url=url, kinds=kinds, status=status
            )
            await case.publish(EventKind.WEBHOOK_UPDATED, {"id": webhook, "changed": changed})
        return after

    async def rotate(
        self, actor: Actor, tenant: str, webhook: str, grace_s: int
    ) -> tuple[Webhook, str]:
        """A new signing secret; the old one signs beside it for `grace_s` seconds."""
        async with self._desk.change(actor, tenant, "webhook.rotate", f"webhook:{webhook}") as case:
            made, secret = await self._webhooks.rotate(case.connection, tenant, webhook, grace_s)
            case.detail["grace_s"] = grace_s
            await case.publish(EventKind.WEBHOOK_ROTATED, {"id": webhook})
        return made, secret

    async def test(self, actor: Actor, tenant: str, webhook: str) -> str:
        """Send a test event to this webhook alone, whatever it asks for; returns its id."""
        async with self._desk.change(actor, tenant, "webhook.test", f"webhook:{webhook}") as case:
            await self._webhooks.get(case.connection, tenant, webhook)
            return await case.publish(EventKind.WEBHOOK_TEST, {"id": webhook})

    async def delete(self, actor: Actor, tenant: str, webhook: str) -> None:
        async with self._desk.change(actor, tenant, "webhook.delete", f"webhook:{webhook}") as case:
            await self._webhooks.delete(case.connection, tenant, webhook)
            await case.publish(EventKind.WEBHOOK_DELETED, {"id": webhook})
