"""Everything one ingress replica keeps about tenants, opened and closed as one.

Flows in: settings, the limits' authority, what models cost. Flows out: whose a credential is, what
their plan allows, and where usage, audit lines and events go. Knows no HTTP.
"""

import logging
import secrets
from collections.abc import Mapping
from random import SystemRandom
from typing import Any

from cluster.administration import administration
from cluster.administration.reports import AUDIT
from cluster.audit.keys import AuditKeys
from cluster.audit.trail import AuditTrail
from cluster.auth.credential_directory import CredentialDirectory
from cluster.events.bus import EventBus
from cluster.events.delivery_worker import WebhookDeliveryWorker
from cluster.events.signing import WebhookSecrets
from cluster.idempotency.store import IdempotencyStore
from cluster.invalidation.feed import InvalidationFeed
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import USAGE, load_pepper, store_url
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage.ledger import Ledger, UsageEntry
from cluster.usage.prices import NO_PRICES, Prices
from cluster.usage.report import budget_used
from deployments.contracts.limits import Authority
from deployments.ingress.limit_events import LimitEventPublisher
from deployments.limiter.status import LimitStatus
from deployments.limiter.tenant_limiter import TenantLimiter

NOTHING = UsageAmounts()

log = logging.getLogger("mobula.ingress")


class TenantServices:
    """Make one a replica, `start` it on the loop that serves, `close` it there."""

    def __init__(
        self,
        settings: Settings,
        authority: Authority,
        costs: Mapping[str, Prices],
        clock: Clock,
        patience_s: float = 0.5,
    ) -> None:
        """`costs` is what 1,000 of a unit cost the operator, in micro-currency, by model id.
        `patience_s` is the longest that a request waits for the authority before it counts as away.

        Raises FileNotFoundError before the first `up`.
        """
        self.pepper = pepper = load_pepper(settings.home, settings)
        name = f"ingress-{secrets.token_hex(6)}"
        self.database = Database(store_url(settings.home, settings))
        self.directory = CredentialDirectory(self.database, pepper, clock)
        folder = settings.home / AUDIT
        keys, days = AuditKeys.derive(pepper), settings.audit_retention_days
        self.trail = AuditTrail(self.database, name, keys, folder, clock, days)
        self.ledger = Ledger(self.database, name, clock, settings.home / USAGE)
        self.guard = guard = SsrfGuard(settings.webhooks_private_hosts)
        transport, keyring = PinnedTransport(guard), WebhookSecrets(pepper)
        self.deliverer = WebhookDeliveryWorker(
            self.database, transport, keyring, clock, SystemRandom()
        )
        self.bus = EventBus(self.database, clock, self.deliverer.wake)
        news = LimitEventPublisher(self.bus, self.plan_of, name)
        self.limiter = TenantLimiter(
            authority, name, clock, self._spent, news, patience_s=patience_s
        )
        self.invalidations = InvalidationFeed(self.database, clock)
        self.idempotency = IdempotencyStore(self.database, self.secret_of, clock)
        self.office = administration(
            self.database,
            self.directory,
            self.trail,
            self._tell,
            guard,
            settings,
            pepper,
            folder,
            clock,
            invalidations=self.invalidations,
        )
        self._costs = costs
        self._clock = clock

    async def start(self) -> None:
        """Load the directory, then let everything run that runs in the background."""
        await self.directory.start()
        await self.trail.start()
        await self.ledger.start()
        await self.bus.start()
        await self.deliverer.start()
        await self.invalidations.start()
        await self.idempotency.start()
        await self.limiter.start()

    async def close(self) -> None:
        """Write and give back whatever is held. One part that fails does not keep the others."""
        for part in (
            self.limiter,
            self.deliverer,
            self.bus,
            self.idempotency,
            self.invalidations,
            self.ledger,
            self.trail,
            self.directory,
        ):
            try:
                await part.close()
            except Exception:
                log.exception("%s did not close well", type(part).__name__)
        await self.database.close()

    def verify(self, credential: str) -> Caller:
        """Raises Unauthenticated, or Forbidden for a suspended tenant."""
        return self.directory.verify(credential)

    def plan_of(self, tenant: str) -> Plan:
        """The plan that a tenant is on now."""
        return self.directory.tenant(tenant).plan

    def secret_of(self, tenant: str) -> bytes:
        """What keys and seals whatever is kept for a tenant alone. Raises NotFound."""
        return self.directory.tenant(tenant).secret

    def is_active(self, tenant: str) -> bool:
        """Whether anything may be served for the tenant now."""
        try:
            return self.directory.tenant(tenant).status == "active"
        except NotFound:
            return False

    async def limits_view(self, tenant: str) -> list[LimitStatus]:
        """How the limits of a tenant's plan stand. Raises NotFound."""
        return await self.limiter.view(tenant, self.plan_of(tenant))

    def add(self, caller: Caller, plan: Plan, model: str, amounts: UsageAmounts) -> None:
        """Enter one model call in the ledger."""
        entry = self._entry(caller, plan, model, amounts)
        entry.cost_units = plan.weights.cost(amounts)
        self.ledger.add(entry)

    def add_cache_hit(self, caller: Caller, plan: Plan, model: str) -> None:
        """Enter one request that was answered without a call of its model."""
        entry = self._entry(caller, plan, model, NOTHING)
        entry.requests, entry.kept = 0, 1
        self.ledger.add(entry)

    def _entry(self, caller: Caller, plan: Plan, model: str, amounts: UsageAmounts) -> UsageEntry:
        return UsageEntry(
            at=self._clock.wall(),
            tenant=caller.tenant,
            key=caller.key_id,
            model=model,
            amounts=amounts,
            prices=plan.prices,
            costs=self._costs.get(model, NO_PRICES),
        )

    def _tell(self, tenant: str, kind: str, data: Mapping[str, Any]) -> None:
        """Of an event that a change has written: its webhooks need not wait for the next poll."""
        self.bus.notify(tenant, kind, data)
        self.deliverer.wake()

    def load(self) -> dict[str, int | float | bool]:
        """What was lost or is out of date in this replica, for `/health`."""
        return {
            "audit_lost": self.trail.lost,
            "events_lost": self.bus.lost,
            "directory_age_s": round(self.directory.age_s, 3),
            "directory_failures": self.directory.failures,
            "invalidations_age_s": round(min(self.invalidations.age_s, 1e9), 3),
            "limits_authority_is_up": self.limiter.authority_is_up,
        }

    async def _spent(self, tenant: str, unit: Unit, first_day: str, last_day: str) -> int:
        if not await self.ledger.flush():
            raise DatabaseUnavailable
        async with self.database.read() as connection:
            return await budget_used(connection, tenant, unit, first_day, last_day)
