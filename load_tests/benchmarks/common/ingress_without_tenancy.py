"""The ingress with nothing of tenancy in it: what authentication, limits, usage and audit cost.

The cache is on, as it is with tenancy; video is off, because it needs the tenants' database. The
application answers under a prefix of its own and lets everybody in. Never deploy it outside a
benchmark.
"""

from collections.abc import Iterator

from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from cluster.audit.record import AuditRecord
from cluster.invalidation.generations import Generations
from cluster.metrics.series import Reading
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import store_url
from cluster.storage.database import Database
from cluster.tenants.caller import Caller
from cluster.tenants.caller import Scope as Grant
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.settings import NO_SETTINGS, TenantSettings
from cluster.tenants.units import UsageAmounts
from cluster.usage.collected_usage import CollectedUsage
from deployments.ingress.config import ModelSettings
from deployments.ingress.deployment import Ingress
from deployments.ingress.directory_broadcast import DirectoryBroadcast
from deployments.ingress.tenant_services import TenantServices
from deployments.limiter.unlimited import NullLimiter
from graphs.args import AppArgs

PREFIX = "/open"
_ANYBODY = Caller("default", "anybody", frozenset({Grant.ADMIN}))
_PLAN = Plan(id="default")


def open_args() -> AppArgs:
    """The arguments of the application: one echo model, no video."""
    model = {"id": "echo", "engine": "echo", "source": "echo", "num_cpus": 0.1}
    return AppArgs.model_validate(
        {
            "models": [model],
            "ingress": {"num_cpus": 0.1},
            "video": {"enabled": False},
            "text": {"enabled": False},
            "media": {"enabled": False},
        }
    )


class NoInvalidations:
    """An invalidation feed to which nothing was ever written."""

    current_until = float("inf")
    generations = Generations()


class NoTenancy(TenantServices):
    """Checks nothing, limits nothing, writes nothing down."""

    def __init__(self, settings: Settings) -> None:
        self.limiter = NullLimiter()  # type: ignore[assignment]
        self.authority = None  # type: ignore[assignment]
        self.database, self.replica = Database(store_url(settings.home, settings)), "open"
        self.administration = None  # type: ignore[assignment]
        self.directory = self.trail = self.ledger = self  # type: ignore[assignment]
        self.idempotency = self.responses = self.templates = None  # type: ignore[assignment]
        self.bus = None  # type: ignore[assignment]
        self.guard = SsrfGuard()
        self.invalidations = NoInvalidations()  # type: ignore[assignment]
        self.policies: dict[str, CallerPolicies] = {}
        self.broadcast = DirectoryBroadcast(self)  # type: ignore[arg-type]

    @property
    def version(self) -> int:
        return 0

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        await self.database.close()

    def secret_of(self, tenant: str) -> bytes:
        return bytes(32)

    def verify(self, credential: str) -> Caller:
        return _ANYBODY

    def caller_of(self, tenant: str, holder: str) -> Caller:
        return _ANYBODY

    def plan_of(self, tenant: str) -> Plan:
        return _PLAN

    def operator_key_expiry(self) -> float | None:
        return None

    def tenants_with_events(self) -> frozenset[str]:
        return frozenset()

    def settings_of(self, tenant: str) -> TenantSettings:
        return NO_SETTINGS

    def record_call(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        amounts: UsageAmounts,
        tags: tuple[str, ...] = (),
        cost: int | None = None,
        collected: CollectedUsage | None = None,
    ) -> None:
        pass

    def record_cache_hit(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        tags: tuple[str, ...] = (),
        collected: CollectedUsage | None = None,
    ) -> None:
        pass

    def read_metrics(self) -> Iterator[Reading]:
        yield from ()

    def load(self) -> dict[str, int | float | bool]:
        return {}

    def enqueue(self, record: AuditRecord) -> None:
        pass


class IngressWithoutTenancy(Ingress):
    """The same application, over NoTenancy."""

    @override
    def _open_tenancy(self, settings: Settings, offer: ModelSettings) -> TenantServices:
        return NoTenancy(settings)

    @override
    def create_application(self) -> ASGIApp:
        app = super().create_application()

        async def strip_prefix(scope: Scope, receive: Receive, send: Send) -> None:
            if "path" in scope:
                scope = {**scope, "root_path": "", "path": scope["path"].removeprefix(PREFIX)}
            await app(scope, receive, send)

        return strip_prefix
