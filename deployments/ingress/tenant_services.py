"""Everything that one ingress replica holds about tenants, started and closed as one.

Flows in: settings, the limits' authority, what models cost. Flows out: the directory of credentials
and plans, the limiter, and where usage, audit records and events go. Knows no HTTP.
"""

import logging
import secrets
from collections.abc import Iterator, Mapping
from random import SystemRandom
from typing import Any

from cluster.administration import administration
from cluster.administration.reports import AUDIT
from cluster.audit.keys import AuditKeys
from cluster.audit.trail import AuditTrail
from cluster.auth.credential_directory import CredentialDirectory
from cluster.collections.model import CollectionLimits, plan_limits
from cluster.collections.sweeper import CollectionSweeper
from cluster.events.bus import EventBus
from cluster.events.delivery_worker import WebhookDeliveryWorker
from cluster.events.signing import WebhookSecrets
from cluster.idempotency.store import IdempotencyStore
from cluster.invalidation.feed import InvalidationFeed
from cluster.library.due import DuePostPublisher
from cluster.metrics.catalogue import limits, storage
from cluster.metrics.series import Reading
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.outcomes.retention import OutcomeRetention
from cluster.responses.store import ResponseLimits, ResponseStore
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import USAGE, load_pepper, store_url
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.templates.directory import TemplateDirectory
from cluster.templates.repository import TemplateRepository
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.units import Unit
from cluster.usage.ledger import Ledger
from cluster.usage.price_book import PriceBook
from cluster.usage.prices import Prices
from cluster.usage.pseudonyms import Pseudonyms
from cluster.usage.report import budget_used
from cluster.usage.subject_usage import subject_used
from deployments.contracts.limits import Authority, AuthorityShards
from deployments.ingress.directory_broadcast import DirectoryBroadcast
from deployments.ingress.limit_events import LimitEventPublisher
from deployments.limiter.status import LimitStatus
from deployments.limiter.tenant_limiter import TenantLimiter

log = logging.getLogger("mobula.ingress")


class TenantServices:
    """Make one a replica, `start` it on the loop that serves, `close` it there."""

    def __init__(
        self,
        settings: Settings,
        authority: Authority | AuthorityShards,
        costs: Mapping[str, Prices],
        clock: Clock,
        authority_timeout_s: float = 0.5,
        prices: Mapping[str, Prices] | None = None,
        providers_of: Mapping[str, str] | None = None,
    ) -> None:
        """By model id: `costs` is what 1,000 of a unit cost the operator, in micro-currency,
        `prices` what they cost tenants whose plans name no price for the model, `providers_of` who
        serves it.
        `authority_timeout_s` is the longest that a request waits for the authority before that
        counts as unavailable.

        Raises FileNotFoundError before the first `up`.
        """
        self.authority = authority
        self.pepper = pepper = load_pepper(settings.home, settings)
        self.replica = name = f"ingress-{secrets.token_hex(6)}"
        self.database = Database(store_url(settings.home, settings))
        self.directory = CredentialDirectory(self.database, pepper, clock)
        folder = settings.home / AUDIT
        keys, days = AuditKeys.derive(pepper), settings.audit_retention_days
        self.trail = AuditTrail(self.database, name, keys, folder, clock, days)
        self.pseudonyms = Pseudonyms(pepper)
        self.book = book = PriceBook(costs, prices, providers_of)
        self.ledger = Ledger(
            self.database, name, clock, settings.home / USAGE, book, self.pseudonyms
        )
        self.guard = guard = SsrfGuard(settings.webhooks_private_hosts)
        transport, keyring = PinnedTransport(guard), WebhookSecrets(pepper)
        self.deliverer = WebhookDeliveryWorker(
            self.database, transport, keyring, clock, SystemRandom()
        )
        self.bus = EventBus(self.database, clock, self.deliverer.wake)
        self.due_posts = DuePostPublisher(self.database, clock, self.deliverer.wake)
        self.outcomes = OutcomeRetention(
            self.database, clock, settings.outcomes_retention_days * 86_400.0
        )
        publish = LimitEventPublisher(self.bus, name)
        self.limiter = TenantLimiter(
            authority,
            name,
            clock,
            self._budget_used,
            publish,
            patience_s=authority_timeout_s,
            pseudonym_of=self.pseudonyms.of,
            book=book,
        )
        self.invalidations = InvalidationFeed(self.database, clock)
        self.idempotency = IdempotencyStore(self.database, self.directory.secret_of, clock)
        self.responses = ResponseStore(
            self.database, self.directory.secret_of, clock, _response_limits(settings)
        )
        self.templates = TemplateDirectory(
            self.database,
            TemplateRepository(self.directory.secret_of, clock),
            self.directory.template_generation,
        )
        self.broadcast = DirectoryBroadcast(self.directory)
        self.administration = administration(
            self.database,
            self.broadcast,
            self.trail,
            self._notify,
            guard,
            settings,
            pepper,
            folder,
            clock,
            invalidations=self.invalidations,
            limits_of=self.collection_limits,
        )
        self.collections = CollectionSweeper(self.database, clock)

    async def start(self) -> None:
        """Load the directory, then start everything that runs in the background."""
        await self.directory.start()
        await self.trail.start()
        await self.ledger.start()
        await self.bus.start()
        await self.deliverer.start()
        await self.due_posts.start()
        await self.outcomes.start()
        await self.collections.start()
        await self.invalidations.start()
        await self.idempotency.start()
        await self.responses.start()
        await self.limiter.start()

    async def close(self) -> None:
        """Write and give back what is held. A part that fails does not stop the others."""
        for part in (
            self.limiter,
            self.collections,
            self.outcomes,
            self.due_posts,
            self.deliverer,
            self.bus,
            self.responses,
            self.idempotency,
            self.invalidations,
            self.ledger,
            self.trail,
            self.directory,
        ):
            try:
                await part.close()
            except Exception:
                log.exception("%s could not be closed", type(part).__name__)
        await self.database.close()

    def is_active(self, tenant: str) -> bool:
        """Whether the tenant may be served now."""
        try:
            return self.directory.tenant(tenant).status == "active"
        except NotFound:
            return False

    def collection_limits(self, tenant: str) -> CollectionLimits:
        """Of the tenant's plan."""
        return plan_limits(self.directory.plan_of(tenant).search)

    async def limit_status(
        self, tenant: str, policies: CallerPolicies | None = None
    ) -> list[LimitStatus]:
        """How the limits of a tenant's plan and of these policies stand. Raises NotFound."""
        return await self.limiter.view(tenant, self.directory.plan_of(tenant), policies)

    def load(self) -> dict[str, int | float | bool]:
        """What this replica has lost, and how old its data is, for `/health`."""
        return {
            "audit_lost": self.trail.lost,
            "events_lost": self.bus.lost,
            "directory_age_s": round(self.directory.age_s, 3),
            "directory_failures": self.directory.failures,
            "invalidations_age_s": round(min(self.invalidations.age_s, 1e9), 3),
            "limits_authority_is_up": self.limiter.authority_is_up,
        }

    def read_metrics(self) -> Iterator[Reading]:
        """Of everything that the replica holds about tenants."""
        yield storage.LOST, [(("audit",), self.trail.lost), (("events",), self.bus.lost)]
        yield limits.DIRECTORY_AGE, [((), self.directory.age_s)]
        yield limits.INVALIDATIONS_AGE, [((), min(self.invalidations.age_s, 1e9))]
        yield from self.limiter.read_metrics()
        yield from self.database.read_metrics()
        yield from self.deliverer.read_metrics()
        yield from self.ledger.totals.read()
        yield from self.administration.library.changes.read()
        yield from self.administration.outcomes.counts.read()
        yield from self.due_posts.events.read()
        yield storage.LEDGER_BEHIND, [((), self.ledger.unwritten_s)]

    def _notify(self, tenant: str, kind: str, data: Mapping[str, Any]) -> None:
        """An administrative change has written an event: its webhooks need not wait for a poll."""
        self.bus.notify(tenant, kind, data)
        self.deliverer.wake()

    async def _budget_used(
        self, tenant: str, unit: Unit, first_day: str, last_day: str, subject: str = ""
    ) -> int:
        if not await self.ledger.flush():
            raise DatabaseUnavailable
        async with self.database.read() as connection:
            if subject:
                return await subject_used(connection, tenant, subject, unit, first_day, last_day)
            return await budget_used(connection, tenant, unit, first_day, last_day)


def _response_limits(settings: Settings) -> ResponseLimits:
    return ResponseLimits(
        settings.responses_retention_days * 86_400.0,
        settings.responses_per_tenant,
        settings.responses_mib_per_tenant << 20,
    )
